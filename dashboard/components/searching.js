// The search box with its suggestions, and the filters beside it.

import { ask } from "./asking.js";
import { button, dayOf, element, icon, whenSeen } from "./drawing.js";

const CHOICES = {
  type: ["Type", { "": "Any type", image: "Pictures", video: "Films", audio: "Sounds", text: "Texts", contact: "Contacts", calendar: "Appointments", document: "Documents", other: "Other files" }],
  carrier: ["Carrier", { "": "Any carrier", verizon: "Verizon", att: "AT&T", "t-mobile": "T-Mobile", sprint: "Sprint", metropcs: "MetroPCS" }],
  state: ["State", { "": "Any state", pending: "Waiting", archived: "Archived", partial: "In part", lost: "Lost" }],
};
const LABELS = { q: "Search", sender: "Sender", keyword: "Keyword", since: "From day", until: "To day" };
export const FILTERS = ["q", "sender", "keyword", "type", "carrier", "state", "since", "until"];
const NO_KEYWORD = "(none)";
const TYPED_MS = 350;
const EDGE = 8;
let serial = 0;

// A filter as its visitor sees it.
export function inWords(name, value) {
  const [label, options] = CHOICES[name] || [LABELS[name], {}];
  return `${label}: ${options[value] || value}`;
}

export class Search {
  constructor(onchange) {
    this.onchange = onchange;
    this.values = Object.fromEntries(FILTERS.map((name) => [name, ""]));
    this.node = element("div", "search");
    this.node.setAttribute("role", "search");
    this.fields = {};
    this.node.append(this.drawWords(), this.drawFilters());
  }

  // What is asked, without what is empty.
  given() {
    return Object.fromEntries(Object.entries(this.values).filter(([, value]) => value));
  }

  show(values) {
    for (const name of FILTERS) {
      this.values[name] = values[name] || "";
      // A blank after the last word is somebody who goes on writing.
      if (this.fields[name].value.trim() !== this.values[name]) this.fields[name].value = this.values[name];
      this.fields[name].classList.toggle("set", Boolean(this.values[name]));
    }
    this.clear.hidden = !Object.keys(this.given()).some((name) => name !== "q");
  }

  set(name, value) {
    if (this.values[name] === value) return;
    this.show({ ...this.values, [name]: value });
    this.onchange();
  }

  drawWords() {
    const box = element("div", "words");
    const field = element("input");
    field.type = "search";
    field.placeholder = "Search a number, a name or words";
    field.setAttribute("aria-label", "Search");
    field.enterKeyHint = "search";
    field.spellcheck = false;
    let timer;
    const commit = () => {
      clearTimeout(timer);
      this.set("q", field.value.trim());
    };
    field.addEventListener("input", () => {
      clearTimeout(timer);
      // A term that is still being written is no mistake yet.
      const open = /(^|\s)-?[a-z]+:$|(^|\s)(OR|AND|NOT)\s*$/.test(field.value) || (field.value.match(/"/g) || []).length % 2;
      if (!open) timer = setTimeout(commit, TYPED_MS);
    });
    this.fields.q = field;
    box.append(icon("search"), field);
    combobox(box, field, {
      label: "Suggestions",
      load: (text) => ask("suggestions", { text }),
      take: (one, text, term) => text.slice(0, text.length - term.length) + one.text + (one.text.endsWith(":") ? "" : " "),
      taken: (one) => (one.text.endsWith(":") ? null : commit()),
      commit,
    });
    this.mistake = element("p", "mistake");
    this.mistake.setAttribute("role", "alert");
    this.mistake.hidden = true;
    const whole = element("div", "searched");
    whole.append(box, this.mistake);
    return whole;
  }

  drawFilters() {
    const row = element("div", "filters");
    row.append(this.drawKnown("sender", "from", "Anyone"), this.drawKnown("keyword", "keyword", "Any keyword"));
    for (const [name, [label, options]] of Object.entries(CHOICES)) {
      const field = element("select");
      for (const [value, text] of Object.entries(options)) {
        const option = element("option", "", text);
        option.value = value;
        field.append(option);
      }
      field.addEventListener("change", () => this.set(name, field.value));
      row.append(this.labelled(name, label, field));
    }
    for (const name of ["since", "until"]) {
      const field = element("input", "date");
      whenSeen(() => (field.type = "date")); // it takes the browser longer to make than all tiles together
      field.addEventListener("change", () => this.set(name, field.value));
      row.append(this.labelled(name, LABELS[name], field));
    }
    row.append(button("today", "Today", { text: "Today", onclick: () => this.showToday() }));
    this.clear = button("clear", "Clear filters", { icon: "close", text: "Clear filters", onclick: () => this.reset() });
    this.clear.hidden = true;
    // A field that lost its focus now would move the button from under the finger (on phones).
    this.clear.addEventListener("pointerdown", (event) => event.preventDefault());
    row.append(this.clear);
    return withSign(row);
  }

  showToday() {
    const today = dayOf(Date.now());
    this.show({ ...this.values, since: today, until: today });
    this.onchange();
  }

  reset() {
    this.show({});
    this.onchange();
    this.fields.q.focus();
  }

  labelled(name, label, field) {
    const box = element("label", `filter ${name}`);
    box.append(element("span", "", label), field);
    this.fields[name] = field;
    return box;
  }

  drawKnown(name, of, placeholder) {
    const label = LABELS[name];
    const field = element("input");
    field.type = "text";
    field.placeholder = placeholder;
    field.spellcheck = false;
    const box = this.labelled(name, label, field);
    field.setAttribute("aria-label", label); // else the list, which stands inside the label, is part of its name
    const commit = () => this.set(name, field.value.trim());
    const plain = (one) => {
      const value = one.text.slice(of.length + 1).replace(/^"|"$/g, "");
      return of === "keyword" && value === "none" ? NO_KEYWORD : value;
    };
    combobox(box, field, {
      label: `Suggestions: ${label.toLowerCase()}`,
      load: (text) => ask("suggestions", { field: of, text }),
      take: plain,
      taken: commit,
      commit,
      opensAtOnce: true,
    });
    field.addEventListener("change", commit);
    return box;
  }

  get isMistaken() {
    return !this.mistake.hidden && !this.mistake.classList.contains("odd");
  }

  // Point at the mistake in what was searched for, and offer what was probably meant.
  complain(problem) {
    this.mistake.classList.remove("odd");
    this.pointAt(problem && { ...problem, problem: problem.message });
  }

  // Point at what is odd about a search that was answered all the same.
  hint(told) {
    this.pointAt(told);
    this.mistake.classList.toggle("odd", Boolean(told));
  }

  pointAt(told) {
    this.mistake.hidden = !told;
    this.mistake.replaceChildren(...(told ? [element("span", "", told.problem), ...whereIn(told), ...this.corrected(told.correction)] : []));
  }

  corrected(better) {
    if (!better) return [];
    const text = "q" in better ? (better.q ? `Search for ${better.q}` : "Remove it") : "Swap the days";
    const take = () => {
      this.show({ ...this.values, ...better });
      this.pointAt(null);
      this.onchange();
      this.fields.q.focus();
    };
    return [button("correction", text, { text, onclick: take })];
  }
}

// The search with its mistake marked; positions count characters, of which some are two in a string.
function whereIn({ query, position, length }) {
  if (!query) return [];
  const letters = [...query];
  const end = position + (length || 12);
  const where = element("code");
  const marked = letters.slice(position, end).join("");
  where.append(letters.slice(0, position).join(""), element("mark", "", marked || " "), letters.slice(end).join(""));
  return [where];
}

// Move a list that does not fit beside the right edge of the window to the left.
function keepInWindow(list) {
  list.style.left = "";
  const over = list.getBoundingClientRect().right + EDGE - document.documentElement.clientWidth;
  if (!list.hidden && over > 0) list.style.left = `${-over}px`;
}

// On a phone the filters are one row that is wider than the screen: a button at its end says so.
function withSign(row) {
  const box = element("div", "filterrow");
  const sign = button("further", "More filters", { icon: "right", onclick: () => row.scrollBy({ left: row.clientWidth * 0.7, behavior: "smooth" }) });
  sign.tabIndex = -1; // with the keyboard, fields come into sight by themselves
  const look = () => box.classList.toggle("more", row.scrollWidth - row.clientWidth - row.scrollLeft > 8);
  row.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(row);
  box.append(row, sign);
  return box;
}

// A list of suggestions under a field, by the pattern that screen readers know as a combobox.
function combobox(box, field, { label, load, take, taken, commit, opensAtOnce = false }) {
  const list = element("ul", "suggestions");
  list.id = `suggestions-${++serial}`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", label);
  list.hidden = true;
  field.autocomplete = "off";
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("aria-controls", list.id);
  box.append(list);
  let found = [];
  let term = "";
  let at = -1;
  let turn = 0;

  const close = () => {
    turn += 1;
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const point = (index) => {
    at = index;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", place === at));
    if (at < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  };
  const choose = (one) => {
    field.value = take(one, field.value, term);
    close();
    field.focus();
    taken(one);
    if (one.text.endsWith(":")) open();
  };
  const open = async () => {
    const mine = ++turn;
    const written = field.value;
    let told;
    try {
      told = await load(written);
    } catch {
      return; // suggestions are a help; searching says what is wrong
    }
    if (mine !== turn || field.value !== written || field.getRootNode().activeElement !== field) return;
    ({ found, term } = told);
    list.replaceChildren(
      ...found.map((one, index) => {
        const option = element("li");
        option.id = `${list.id}-${index}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.append(element("b", "", one.label), element("span", "", one.about));
        option.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
        option.addEventListener("click", (event) => {
          event.preventDefault(); // else its label passes the click on to the field, which opens the list again
          choose(one);
        });
        return option;
      }),
    );
    at = -1;
    list.hidden = !found.length;
    field.setAttribute("aria-expanded", String(found.length > 0));
    field.removeAttribute("aria-activedescendant");
    keepInWindow(list);
  };
  field.addEventListener("input", open);
  field.addEventListener("focus", () => (opensAtOnce || !field.value ? open() : null));
  field.addEventListener("click", () => list.hidden && open());
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      if (!list.hidden && at >= 0) choose(found[at]);
      else {
        close();
        commit();
      }
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && found.length) {
      event.preventDefault();
      if (list.hidden) open();
      else point((at + (event.key === "ArrowDown" ? 1 : found.length)) % found.length);
    }
  });
}
