// Where the gallery lies on the page: over it while Streamlit starts, then in the component's place.
//
// It moves between two touches, so that no click or swipe is lost, and what is on the screen stays there.

const STILL_MS = 400; // a second click, or the click that follows a tap, comes within this time
const LONGEST_MS = 15_000;
const LOOKED_EVERY_MS = 50;
const HOLDS = ["pointerdown", "touchstart", "compositionstart"];
const LETS_GO = ["pointerup", "pointercancel", "touchend", "touchcancel", "compositionend"];

export class Berth {
  constructor(host, shadow) {
    this.host = host;
    this.shadow = shadow;
    this.pointers = new Set();
    this.touches = 0;
    this.writes = false;
    this.touchedAt = -Infinity;
    for (const name of [...HOLDS, ...LETS_GO]) addEventListener(name, (event) => this.touched(event), { capture: true, passive: true });
    for (const name of ["wheel", "scroll"]) addEventListener(name, () => this.note(), { capture: true, passive: true });
  }

  note() {
    this.touchedAt = performance.now();
  }

  touched(event) {
    this.note();
    if (event.type.startsWith("touch")) this.touches = event.touches.length;
    else if (event.type === "pointerdown") this.pointers.add(event.pointerId);
    else if (event.type.startsWith("pointer")) this.pointers.delete(event.pointerId);
    else this.writes = event.type === "compositionstart";
  }

  get isTouched() {
    return this.pointers.size > 0 || this.touches > 0 || this.writes || performance.now() - this.touchedAt < STILL_MS;
  }

  // Move into `parent` as soon as nobody touches anything; the last one named counts.
  async moveTo(parent) {
    this.parent = parent;
    if (this.host.parentElement === parent || this.waits) return;
    this.waits = true;
    const giveUpAt = performance.now() + LONGEST_MS;
    while (this.host.isConnected && this.isTouched && performance.now() < giveUpAt) await new Promise((go) => setTimeout(go, LOOKED_EVERY_MS));
    this.waits = false;
    this.move(this.parent);
  }

  // What somebody writes in keeps the focus, and a lightbox that is open stays over the page.
  move(parent) {
    const focused = this.shadow.activeElement;
    const before = this.host.isConnected ? this.host.getBoundingClientRect().top : null;
    if (parent.moveBefore && parent.isConnected && this.host.isConnected) parent.moveBefore(this.host, null);
    else parent.replaceChildren(this.host);
    for (const dialog of this.shadow.querySelectorAll("dialog[open]:not(:modal)")) {
      dialog.removeAttribute("open");
      dialog.showModal();
    }
    if (focused && this.shadow.activeElement !== focused) focused.focus({ preventScroll: true });
    if (before === null) return;
    this.stayAt(before);
    requestAnimationFrame(() => performance.now() - this.touchedAt > STILL_MS && this.stayAt(before));
  }

  // Scroll so that the gallery is where it was on the screen.
  stayAt(top) {
    const off = this.host.getBoundingClientRect().top - top;
    if (Math.abs(off) >= 1) this.scroller()?.scrollBy({ top: off, behavior: "instant" });
  }

  scroller() {
    for (let node = this.host.parentNode; node; node = node.parentNode || node.host) {
      if (node instanceof Element && /auto|scroll/.test(getComputedStyle(node).overflowY)) return node;
    }
    return null;
  }
}
