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

export async function ask(name, params, signal) {
  const address = `api/${name}?${new URLSearchParams(params)}`;
  let answer;
  try {
    answer = await fetch(address, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Problem(401, { problem: "You are not logged in any more." });
  throw new Problem(answer.status, await answer.json().catch(() => ({})));
}
