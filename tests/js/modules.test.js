import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { test } from "node:test"

const ROOT = join(import.meta.dirname, "../..")
const modules = globSync("**/*.js", { cwd: join(ROOT, "static/js") })
const pages = globSync("templates/**/*.html", { cwd: ROOT })

function found(pattern, path) {
  return Array.from(readFileSync(join(ROOT, path), "utf8").matchAll(pattern), ([, name, other]) => name ?? other)
}

function imports(module) {
  const paths = found(/ "(\.+\/.+\.js)"/g, `static/js/${module}`)
  return paths.map((path) => normalize(join(module, "..", path)))
}

// Return the folders from which the modules of a folder import.
function folderImports(folder) {
  const inside = modules.filter((module) => dirname(module) === folder)
  const others = inside.flatMap(imports).map(dirname)
  return [...new Set(others)].filter((other) => other !== folder)
}

// Return a name and all that it imports, directly or not. Fails if one of them imports itself.
function closure(name, imported, importers = []) {
  assert.ok(!importers.includes(name), `a circle: ${[...importers, name].join(" → ")}`)
  return [name, ...imported(name).flatMap((it) => closure(it, imported, [...importers, name]))]
}

test("pages load the modules at the top, which import all others", () => {
  // A page's own script, or one that it loads later.
  const named = pages.flatMap((page) => found(/set script = "(\w+)"|static\('js\/(\w+)\.js'\)/g, page))
  const scripts = [...named, "page"].map((name) => `${name}.js`)
  const loaded = scripts.flatMap((script) => closure(script, imports))
  assert.deepEqual(new Set(scripts), new Set(modules.filter((it) => dirname(it) === ".")))
  assert.deepEqual(new Set(loaded), new Set(modules))
})

test("neither modules nor folders import each other in a circle", () => {
  for (const module of modules) closure(module, imports)
  for (const folder of modules.map(dirname)) closure(folder, folderImports)
})
