// What is selected, and the bar that says what can be done to it. Messages are selected, not files:
// all files of one are kept, held and deleted together.

import { button, counted, element, inAll, orMore } from "./drawing.js";

const DEEDS = [
  ["export", "Export", "archive"],
  ["tag", "Tag", "tag"],
  ["hold", "Hold", "held"],
  ["release", "Release", "held"],
  ["delete", "Delete", "delete"],
];

export class Choosing {
  constructor({ grid, given, want }) {
    this.grid = grid;
    this.given = given;
    this.want = want;
    this.selected = grid.selected;
    this.anchor = null;
    this.everything = false;
    this.total = null;
    this.may = [];
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

  allow(may) {
    this.may = may;
    this.paint();
  }

  // Select or let go one tile's message; `range` takes all from the last one on.
  toggle(tile, range, from = null) {
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
    this.paint();
  }

  toggleAll(tiles) {
    this.everything = false;
    const messages = tiles.map((tile) => tile.message);
    const all = messages.every((message) => this.selected.has(message));
    for (const message of messages) all ? this.selected.delete(message) : this.selected.add(message);
    this.paint();
  }

  takeLoaded() {
    for (const tile of this.grid.tiles) this.selected.add(tile.message);
    this.paint();
  }

  takeEverything() {
    this.takeLoaded();
    this.everything = true;
    this.paint();
    this.node.querySelector("button").focus();
  }

  clear() {
    if (!this.selected.size) return;
    this.selected.clear();
    this.everything = false;
    this.anchor = null;
    this.paint();
  }

  // Leave out what is not there any more, and take in what came where everything is selected.
  renew(total) {
    this.total = total;
    const there = new Set(this.grid.tiles.map((tile) => tile.message));
    for (const message of [...this.selected]) if (!there.has(message)) this.selected.delete(message);
    if (this.everything) for (const message of there) this.selected.add(message);
    this.paint();
  }

  paint() {
    this.grid.paint();
    const number = this.selected.size;
    this.node.hidden = !number;
    if (!number) return;
    const total = this.total;
    this.count.textContent = this.everything ? `All ${inAll(total)} selected` : `${counted(number, "message")} selected`;
    this.all.hidden = this.everything || !total || (total.is_exact && total.messages <= number) || !this.may.length;
    this.all.lastElementChild.textContent = `Select all ${total ? `${orMore(total)}${total.messages.toLocaleString()}` : ""}`;
    const chosen = this.grid.tiles.filter((tile) => this.selected.has(tile.message));
    const held = chosen.filter((tile) => tile.alerts.includes("held")).length;
    for (const made of this.deeds) {
      const name = made.dataset.deed;
      const fits = name === "hold" ? this.everything || held < chosen.length : name === "release" ? this.everything || held > 0 : true;
      made.hidden = !this.may.includes(name) || !fits;
    }
  }

  ask(deed) {
    const choice = this.everything ? { filters: this.given() } : { ids: [...this.selected] };
    this.want({ deed, ...choice });
  }
}
