// What is selected, and the bar that says what can be done to it. Messages are selected, not files:
// all files of one are kept, held and deleted together. What is selected need not be loaded.

import { naming } from "./address.js";
import { post } from "./asking.js";
import { button, counted, element, inAll, orMore } from "./drawing.js";

const DEEDS = [
  ["export", "Export", "archive"],
  ["tag", "Tag", "tag"],
  ["hold", "Hold", "held"],
  ["release", "Release", "held"],
  ["delete", "Delete", "delete"],
];
const IN_ADDRESS = 20; // more are kept by the server
const SETTLED_MS = 300;
const ALL = "all";

export class Choosing {
  // `given` gives the filters; `onchange` is told when the address is to name another choice.
  constructor({ grid, given, want, onchange, say }) {
    Object.assign(this, { grid, given, want, onchange, say });
    this.selected = grid.selected;
    this.anchor = null;
    this.everything = false;
    this.total = null;
    this.may = null; // not known yet
    this.named = {}; // the choice as the address has it
    this.drawBar();
  }

  drawBar() {
    this.node = element("div", "bar");
    this.node.hidden = true;
    this.node.setAttribute("role", "toolbar");
    this.node.setAttribute("aria-label", "Selected messages");
    this.count = element("span", "count");
    this.count.setAttribute("role", "status");
    this.all = button("all", "Select all", { text: "Select all", onclick: () => this.takeEverything() });
    this.deeds = DEEDS.map(([name, label, icon]) => {
      const made = button(name, label, { icon, text: label, onclick: () => this.ask(name) });
      made.dataset.deed = name;
      return made;
    });
    const close = button("close", "Clear selection (Esc)", { icon: "close", onclick: () => this.clear() });
    this.node.append(close, this.count, this.all, ...this.deeds);
  }

  // Who may do nothing with messages selects none.
  get isOffered() {
    return !this.may || this.may.length > 0;
  }

  allow(may) {
    this.may = may;
    this.grid.node.classList.toggle("unselectable", !this.isOffered);
    if (this.isOffered) this.paint();
    else this.clear();
  }

  // Select or let go one tile's message; `range` takes all from the last one on.
  toggle(tile, range, from = null) {
    if (!this.isOffered) return;
    this.everything = false;
    const tiles = this.grid.tiles;
    const start = from || this.anchor;
    const first = tiles.findIndex((one) => one.key === start?.key);
    const last = tiles.findIndex((one) => one.key === tile.key);
    if (range && first >= 0) {
      for (let at = Math.min(first, last); at <= Math.max(first, last); at++) this.selected.add(tiles[at].message);
    } else if (this.selected.has(tile.message)) this.selected.delete(tile.message);
    else this.selected.add(tile.message);
    this.anchor = tile;
    this.changed();
  }

  // Select all messages of a day that fit the filters, loaded or not; or let them go if all of them are selected.
  async toggleDay(day) {
    if (!this.isOffered) return;
    const { ids, more } = await post("fitting", { filters: this.given(), day });
    this.everything = false;
    const all = ids.every((message) => this.selected.has(message));
    for (const message of ids) all ? this.selected.delete(message) : this.selected.add(message);
    if (more) this.say(`Only the newest ${counted(ids.length, "message")} of this day are selected.`);
    this.changed();
  }

  takeLoaded() {
    if (!this.isOffered) return;
    for (const tile of this.grid.tiles) this.selected.add(tile.message);
    this.changed();
  }

  takeEverything() {
    this.everything = true;
    this.takeLoaded();
    this.node.querySelector("button").focus();
  }

  clear() {
    if (!this.selected.size && !this.everything) return;
    const focused = this.node.contains(this.node.getRootNode().activeElement);
    const anchor = this.anchor;
    this.selected.clear();
    this.everything = false;
    this.anchor = null;
    this.changed();
    if (focused) this.grid.focusNear(anchor?.key); // the bar is gone, and the focus with it
  }

  // ---- the choice in the address

  // Note that something else is selected; the address names it once it has settled.
  changed() {
    this.paint();
    const turn = (this.turn = (this.turn || 0) + 1);
    clearTimeout(this.settling);
    this.unsaved = true;
    this.settling = setTimeout(() => this.name(turn), SETTLED_MS);
  }

  async name(turn) {
    const chosen = [...this.selected];
    let named = { chosen };
    if (this.everything) named = { selection: ALL };
    else if (chosen.length > IN_ADDRESS) named = await post("selections", { ids: chosen }).catch(() => ({}));
    if (turn !== this.turn) return;
    this.named = named;
    this.unsaved = false;
    this.onchange();
  }

  // Take the choice that an address names, as far as it fits the filters.
  async restore(choice) {
    if (this.unsaved || String(naming(choice)) === String(naming(this.named))) return;
    const turn = (this.turn = (this.turn || 0) + 1);
    this.named = choice;
    this.selected.clear();
    this.everything = choice.selection === ALL;
    if (this.everything) for (const tile of this.grid.tiles) this.selected.add(tile.message);
    else if (choice.selection || choice.chosen.length) await this.fit(choice.selection ? { selection: choice.selection } : { ids: choice.chosen }, turn);
    this.paint();
  }

  // Keep what fits the filters that are asked for now, and say how many do not. `was`: the filters of before.
  async refit(was) {
    if (!this.selected.size) return;
    const turn = (this.turn = (this.turn || 0) + 1);
    clearTimeout(this.settling);
    this.unsaved = true;
    const given = this.everything ? { was } : { ids: [...this.selected] };
    await this.fit(given, turn);
    if (turn === this.turn) this.changed();
  }

  async fit(given, turn) {
    let told;
    try {
      told = await post("fitting", { filters: this.given(), ...given });
    } catch (error) {
      told = { ids: [], dropped: 0, problem: error };
    }
    if (turn !== this.turn) return;
    const { ids, dropped, more, problem } = told;
    this.everything = false;
    this.selected.clear();
    for (const message of more ? [] : ids) this.selected.add(message);
    this.paint();
    if (problem) this.say(problem.status === 404 ? "This selection has expired." : "The selection was cleared.");
    else if (more) this.say("The selection was cleared: more than 10,000 messages fit. Use Select all.");
    else if (dropped === null) this.say("Messages that do not fit the filters are no longer selected.");
    else if (dropped) this.say(`${counted(dropped, "message")} no longer selected: ${dropped === 1 ? "it does" : "they do"} not fit the filters.`);
  }

  // Take in what came where everything is selected.
  renew(total) {
    this.total = total;
    if (this.everything) for (const tile of this.grid.tiles) this.selected.add(tile.message);
    this.paint();
  }

  paint() {
    this.grid.paint();
    const number = this.selected.size;
    this.node.hidden = !number;
    if (!number) return;
    const total = this.total;
    this.count.textContent = this.everything ? `All ${inAll(total)} selected` : `${counted(number, "message")} selected`;
    this.all.hidden = this.everything || !total || (total.is_exact && total.messages <= number);
    this.all.lastElementChild.textContent = `Select all ${total ? `${orMore(total)}${total.messages.toLocaleString()}` : ""}`;
    const loaded = new Map(this.grid.tiles.map((tile) => [tile.message, tile]));
    const chosen = [...this.selected].map((message) => loaded.get(message));
    const unknown = this.everything || chosen.some((tile) => !tile);
    const held = chosen.filter((tile) => tile?.alerts.includes("held")).length;
    for (const made of this.deeds) {
      const name = made.dataset.deed;
      const fits = name === "hold" ? unknown || held < chosen.length : name === "release" ? unknown || held > 0 : true;
      made.hidden = !this.may?.includes(name) || !fits;
    }
  }

  ask(deed) {
    if (deed === "export") this.export();
    else this.want({ deed, ...(this.everything ? { filters: this.given() } : { ids: [...this.selected] }) });
  }

  // Go to the page of exports by its address, so that the way back leads here.
  export() {
    return this.everything ? this.exportFound() : this.exportThese([...this.selected]);
  }

  async exportThese(chosen) {
    try {
      const choice = chosen.length > IN_ADDRESS ? await post("selections", { ids: chosen }) : { chosen };
      location.assign(`exports?${new URLSearchParams(naming(choice))}`);
    } catch (error) {
      this.say(error.message);
    }
  }

  // Export all that the filters find; `more` are further parts of the address.
  async exportFound(more = {}) {
    try {
      const { query } = await post("selections", { filters: this.given() });
      location.assign(`exports?${new URLSearchParams({ ...(query ? { query } : {}), ...more })}`);
    } catch (error) {
      this.say(error.message);
    }
  }
}
