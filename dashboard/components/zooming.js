// Hands on what the lightbox shows: a picture zooms under them, pages of a document zoom where they are
// scrolled, and a swipe turns to the next file.

const LARGEST = 8;
const LARGEST_PAGES = 4;
const STEP = 1.6;
const TWICE = 2.5;
const SWIPED = 60;
const CONTROLS_PX = 80; // of a player, at its lower edge

export class Zooming {
  // `onturn` is told -1 or 1, `onchange` that something is larger or smaller now.
  constructor(stage, { onturn, onclose, onchange }) {
    Object.assign(this, { stage, onturn, onclose, onchange });
    this.pointers = new Map();
    this.hold();
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    stage.addEventListener("dragstart", (event) => event.preventDefault()); // a drag is a swipe here
    stage.addEventListener("dblclick", (event) => this.zoom(this.scale > 1 ? 1 : TWICE, [event.clientX, event.clientY]));
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.up(event));
  }

  // Take this picture or these pages in hand, as large as they fit; nothing where neither is shown.
  hold({ picture = null, pages = null } = {}) {
    this.picture = picture;
    this.pages = pages;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.apply();
  }

  let() {
    this.hold();
    this.pointers.clear();
  }

  get canZoom() {
    return Boolean(this.picture || this.pages);
  }

  get isSmallest() {
    return this.scale <= 1;
  }

  get isLargest() {
    return this.scale >= (this.pages ? LARGEST_PAGES : LARGEST);
  }

  larger() {
    this.zoom(this.scale * STEP);
  }

  smaller() {
    this.zoom(this.scale / STEP);
  }

  // Zoom so that what is at this point of the window, or in the middle, stays there.
  zoom(scale, at = null) {
    if (!this.canZoom) return;
    const next = Math.min(this.pages ? LARGEST_PAGES : LARGEST, Math.max(1, scale));
    const box = this.stage.getBoundingClientRect();
    const [px, py] = at ? [at[0] - box.left - box.width / 2, at[1] - box.top - box.height / 2] : [0, 0];
    if (this.pages) this.zoomPages(next, at);
    this.x = px - ((px - this.x) * next) / this.scale;
    this.y = py - ((py - this.y) * next) / this.scale;
    this.scale = next;
    this.apply();
  }

  zoomPages(scale, at) {
    const seen = this.pages;
    const box = seen.getBoundingClientRect();
    const [px, py] = at ? [at[0] - box.left, at[1] - box.top] : [box.width / 2, 0];
    const [left, top] = [(seen.scrollLeft + px) / seen.scrollWidth, (seen.scrollTop + py) / seen.scrollHeight];
    seen.style.setProperty("--scale", scale);
    seen.scrollTo({ left: left * seen.scrollWidth - px, top: top * seen.scrollHeight - py, behavior: "instant" });
  }

  apply() {
    if (this.picture) this.place(this.picture);
    this.stage.classList.toggle("zoomed", this.scale > 1);
    this.onchange();
  }

  // No edge of a picture comes further in than the edge of its stage.
  place(picture) {
    const box = this.stage.getBoundingClientRect();
    const room = (size, whole) => Math.max(0, (size * this.scale - whole) / 2);
    const [right, down] = [room(picture.offsetWidth, box.width), room(picture.offsetHeight, box.height)];
    this.x = Math.min(right, Math.max(-right, this.x));
    this.y = Math.min(down, Math.max(-down, this.y));
    picture.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }

  wheel(event) {
    if (!this.canZoom || (event.target.closest("pre, .pages") && !event.ctrlKey)) return; // it scrolls there
    event.preventDefault();
    this.zoom(this.scale * Math.exp(-event.deltaY / 300), [event.clientX, event.clientY]);
  }

  down(event) {
    if (this.isForOthers(event)) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pointers.size === 1) this.start = [event.clientX, event.clientY];
    else this.start = null; // two fingers do not swipe
    if (event.pointerType === "mouse") this.stage.setPointerCapture(event.pointerId);
  }

  // Links are for clicks, controls for players, and a mouse marks text.
  isForOthers(event) {
    if (event.target.closest("a, audio, summary")) return true;
    const player = event.target.closest("video");
    if (player) return event.pointerType === "mouse" || event.clientY > player.getBoundingClientRect().bottom - CONTROLS_PX;
    return event.pointerType === "mouse" && Boolean(event.target.closest("pre, .cards, .pages"));
  }

  moved(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      this.zoom((this.scale * spread(now)) / spread(last), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (this.scale > 1 && this.picture) {
      this.x += now[0] - last[0];
      this.y += now[1] - last[1];
      this.apply();
    }
    this.pointers.set(event.pointerId, now);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || !this.start || this.scale > 1) return;
    const [dx, dy] = [event.clientX - this.start[0], event.clientY - this.start[1]];
    this.start = null;
    if (event.type === "pointercancel") return;
    if (Math.abs(dx) > SWIPED && Math.abs(dx) > 1.5 * Math.abs(dy)) this.onturn(dx < 0 ? 1 : -1);
    else if (dy > 2 * SWIPED && event.pointerType !== "mouse") this.onclose();
  }
}
