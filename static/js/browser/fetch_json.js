const TIMEOUT = 15_000 // ms

// Return what the server answers a script at an address. Fails if that is an error.
export async function fetchJSON(address) {
  const response = await fetch(address, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(TIMEOUT),
  })
  if (!response.ok) throw new Error(`${address} cannot be loaded`)
  return response.json()
}
