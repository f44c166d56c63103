// The gallery's questions to the server. An answer is data, or an error with its sentence.

export class Problem extends Error {
  constructor(status, told) {
    super(told.problem || "The gallery cannot be reached just now. It goes on as soon as it can.");
    this.status = status;
    this.query = told.query || "";
    this.position = told.position || 0;
    this.length = told.length || 0;
    this.correction = told.correction || null;
  }
}

export function ask(name, params, signal) {
  return answerTo(`api/${name}?${new URLSearchParams(params)}`, { signal, headers: { accept: "application/json" } });
}

// What may be too long for an address.
export function post(name, given, signal) {
  const headers = { accept: "application/json", "content-type": "application/json" };
  return answerTo(`api/${name}`, { method: "POST", signal, headers, body: JSON.stringify(given) });
}

async function answerTo(address, how) {
  let answer;
  try {
    answer = await fetch(address, how);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Problem(401, { problem: "Your session has ended." });
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}
