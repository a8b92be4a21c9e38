// Return a new element with properties and content.
export function element(name, properties, ...content) {
  const node = Object.assign(document.createElement(name), properties)
  node.append(...content)
  return node
}

// Return a new button that shows a sign, and says by its label what it does.
export function button(className, sign, label) {
  return element("button", { className, type: "button", title: label, ariaLabel: label }, sign)
}
