// What the gallery says around its tiles: counts, how many have come in, that nothing was found, what went
// wrong, and where it ends.

import { amount, button, counted, element, inAll, whenSeen } from "./drawing.js";
import { inWords } from "./searching.js";

const SAID_MS = 5000;
const EXPORTS = [
  ["Export all", {}],
  ["PDF of all", { formats: "pdf" }],
];

function endOf({ total, loaded, hasMore }) {
  if (hasMore) return `${loaded.toLocaleString()} of ${inAll(total)}`;
  return total?.messages ? inAll(total) : "";
}

export class Notices {
  // `onnew` is for who wants to see what has come in, `onexport` for who wants all that fits the filters.
  constructor(root, { onnew, onexport }) {
    this.root = root;
    this.counts = element("ul", "counts");
    this.counts.setAttribute("role", "list");
    this.counts.setAttribute("aria-label", "Counts");
    this.found = element("p", "found");
    this.amount = element("span");
    this.amount.setAttribute("role", "status");
    this.exports = EXPORTS.map(([label, more]) => button("", label, { text: label, onclick: () => onexport(more) }));
    this.found.append(this.amount, ...this.exports);
    this.mayExport(false);
    this.problem = element("div", "problem");
    this.problem.hidden = true;
    this.news = button("news", "", { icon: "up", text: " ", onclick: onnew });
    this.news.removeAttribute("aria-label");
    this.news.removeAttribute("title");
    this.news.hidden = true;
    this.empty = element("div", "nothing");
    this.end = element("div", "end");
    this.said = element("p", "said");
    this.said.setAttribute("role", "status");
  }

  count(counts) {
    this.messages = counts.find((one) => one.name === "messages")?.value ?? 0;
    this.counts.replaceChildren(
      ...counts.map((one) => {
        const item = element("li", one.value ? one.tone : "zero");
        const value = element("b", "", one.text);
        value.dataset.count = one.name;
        item.title = one.meaning;
        item.append(element("span", "", one.label), " ", value);
        return item;
      }),
    );
  }

  // Say how much fits the filters.
  tellFound(figures) {
    this.amount.textContent = figures ? amount(figures) : "";
    this.found.classList.toggle("none", !figures?.messages);
  }

  mayExport(may) {
    for (const one of this.exports) one.hidden = !may;
  }

  announce(number) {
    this.news.hidden = !number;
    if (!number) return; // the first number that is written costs 50 ms
    this.news.lastElementChild.textContent = number >= 100 ? "100 and more new" : `${number.toLocaleString()} new`;
    this.say(counted(number, "new message"));
  }

  // Say it to screen readers, and to everybody for a moment where it is the outcome of a deed.
  say(words, { shown = false } = {}) {
    if (this.said.textContent !== words) this.said.textContent = words;
    if (!shown) return;
    this.root.classList.add("told");
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.root.classList.remove("told"), SAID_MS);
  }

  showEnd(pages) {
    whenSeen(() => (this.end.textContent = endOf(pages)));
    const { total, loaded } = pages;
    this.root.dataset.total = total?.messages ?? "";
    this.root.dataset.loaded = loaded;
  }

  // Say that these filters find nothing, and what to do next; without any, the page itself says it.
  showNothing(filters, onreset) {
    const chosen = Object.entries(filters);
    if (!chosen.length) {
      this.empty.replaceChildren();
      return;
    }
    const list = element("ul");
    for (const [name, value] of chosen) list.append(element("li", "", inWords(name, value)));
    this.empty.replaceChildren(
      element("h2", "", "No message fits this:"),
      list,
      element("p", "", "Write fewer words, or take a filter away. Words are found from their beginning."),
      button("", "Show all messages", { text: "Show all messages", onclick: onreset }),
    );
  }

  complain(sentence, what) {
    this.problem.hidden = false;
    this.problem.replaceChildren(element("p", "", sentence), what);
  }

  clear() {
    this.counts.replaceChildren();
    this.tellFound(null);
    this.mayExport(false);
    this.news.hidden = true;
    this.end.textContent = "";
  }
}
