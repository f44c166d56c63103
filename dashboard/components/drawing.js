// What every module draws with. Text from data goes through textContent only; links and sources
// are taken only where they are our own.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  image: "M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm0 13h14l-4.5-6-3.5 4.5-2.5-3z",
  video: "M4 5h16v14H4zm2 2v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zm10-8v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zM10 8v8l5-4z",
  audio: "M12 3v10.6A4 4 0 1 0 14 17V7h5V3z",
  contact: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zm-8 16c0-4 4-6 8-6s8 2 8 6z",
  calendar: "M7 2h2v3h6V2h2v3h3v16H4V5h3zm-1 8v9h12v-9z",
  document: "M6 2h8l5 5v15H6zm7 1.5V8h4.5zM8.5 12v1.5h7V12zm0 4v1.5h7V16z",
  file: "M6 2h8l5 5v15H6zm7 1.5V8h4.5z",
  text: "M4 4h16v12H9l-5 5zm4 4v1.6h8V8zm0 3.4V13h5v-1.6z",
  empty: "M4 4h16v12H9l-5 5zm4 4v1.6h8V8zm0 3.4V13h5v-1.6z",
  waiting: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20zm0 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm-1 3h2v5.2l3.6 2.1-1 1.7-4.6-2.7z",
  lost: "M12 2 23 21H1zm-1 7v6h2V9zm0 7.5v2h2v-2z",
  play: "M8 5v14l11-7z",
  stack: "M4 6H2v14a2 2 0 0 0 2 2h14v-2H4zm4-4h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2z",
  check: "M9 16.2 4.8 12l-1.4 1.4L9 19 21 7l-1.4-1.4z",
  close: "M19 6.4 17.6 5 12 10.6 6.4 5 5 6.4 10.6 12 5 17.6 6.4 19 12 13.4 17.6 19 19 17.6 13.4 12z",
  left: "M15.4 7.4 14 6l-6 6 6 6 1.4-1.4L10.8 12z",
  right: "M10 6 8.6 7.4 13.2 12l-4.6 4.6L10 18l6-6z",
  info: "M11 7h2v2h-2zm0 4h2v6h-2zm1-9a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm0 18a8 8 0 1 1 0-16 8 8 0 0 1 0 16z",
  open: "M14 3h7v7h-2V6.4l-9.8 9.8-1.4-1.4L17.6 5H14zM5 5h5v2H7v10h10v-3h2v5H5z",
  larger: "M10 3a7 7 0 0 1 5.6 11.2l5.1 5.1-1.4 1.4-5.1-5.1A7 7 0 1 1 10 3zm0 2a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM9 7h2v2h2v2h-2v2H9v-2H7V9h2z",
  smaller: "M10 3a7 7 0 0 1 5.6 11.2l5.1 5.1-1.4 1.4-5.1-5.1A7 7 0 1 1 10 3zm0 2a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM7 9h6v2H7z",
  search: "M10 3a7 7 0 0 1 5.6 11.2l5.1 5.1-1.4 1.4-5.1-5.1A7 7 0 1 1 10 3zm0 2a5 5 0 1 0 0 10 5 5 0 0 0 0-10z",
  partial: "M12 2 23 21H1zm-1 7v6h2V9zm0 7.5v2h2v-2z",
  held: "M12 2a5 5 0 0 1 5 5v3h2v11H5V10h2V7a5 5 0 0 1 5-5zm0 2a3 3 0 0 0-3 3v3h6V7a3 3 0 0 0-3-3z",
  tag: "M3 3h8l10 10-8 8L3 11zm4 2.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
  delete: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7zm4 2v8h1.4v-8zm2.6 0v8H14v-8z",
  archive: "M3 4h18v5h-1v11H4V9H3zm3 5v9h12V9zm3 2h6v2H9z",
  up: "M12 5l7 7-1.4 1.4L13 8.8V20h-2V8.8l-4.6 4.6L5 12z",
  download: "M11 3h2v9l3.5-3.5 1.4 1.4L12 15.8 6.1 9.9l1.4-1.4L11 12zM4 18h16v2H4z",
};

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 24 24");
  drawn.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] || ICONS.file);
  path.setAttribute("fill-rule", "evenodd");
  drawn.append(path);
  return drawn;
}

export function ownLink(address) {
  return /^(files\/|message\?|\.\/\?)/.test(address) ? address : "";
}

export function button(className, label, { icon: name, text, onclick } = {}) {
  const made = element("button", className);
  made.type = "button";
  if (name) made.append(icon(name));
  if (text) made.append(element("span", "", text));
  if (!text || text !== label) {
    made.setAttribute("aria-label", label);
    made.title = label;
  }
  if (onclick) made.addEventListener("click", onclick);
  return made;
}

// Dates and numbers as the visitor's browser writes them, times in their zone.
const formats = new Map();

function format(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(undefined, options));
  return formats.get(key);
}

export function timeOf(at) {
  return format({ timeStyle: "short" }).format(new Date(at));
}

export function momentOf(at) {
  return format({ dateStyle: "long", timeStyle: "medium" }).format(new Date(at));
}

export function shortMomentOf(at) {
  return format({ dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

// A time as workers write it into an appointment, in the visitor's zone; any other line stays as it is.
export function inZone(line) {
  const [, day, time, offset] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC([+-]\d\d:\d\d)?$/.exec(line) || [];
  const at = new Date(`${day}T${time}${offset || "Z"}`);
  return day && !Number.isNaN(at.getTime()) ? shortMomentOf(at) : line;
}

// The day's key, the same for all moments of one day of the visitor's.
export function dayOf(at) {
  const moment = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

export function dayHeading(day) {
  const moment = new Date(`${day}T12:00:00`);
  const days = Math.round((new Date(`${dayOf(Date.now())}T12:00:00`) - moment) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const thisYear = moment.getFullYear() === new Date().getFullYear();
  return format({ weekday: "long", day: "numeric", month: "long", ...(thisYear ? {} : { year: "numeric" }) }).format(moment);
}

export function counted(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
}

// Messages, files and bytes as the server counted them; those without files have none to count.
export function amount({ messages, files, size, is_exact, files_exact }) {
  const parts = [`${is_exact ? "" : "more than "}${counted(messages, "message")}`];
  if (files) parts.push(`${files_exact ? "" : "more than "}${counted(files, "file")}`);
  if (files && size) parts.push(`${files_exact ? "" : "more than "}${size}`);
  return parts.join(", ");
}

// How many messages there are, in words; they may still be counted.
export function inAll(total) {
  return total ? `${orMore(total)}${counted(total.messages, "message")}` : "many messages";
}

export function orMore(total) {
  return total.is_exact ? "" : "more than ";
}

export function zone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

const LONGEST_WAIT_MS = 400;
const whenIdle = globalThis.requestIdleCallback || ((act) => setTimeout(act, 50));

// Do it once what is drawn now has been seen, and the pictures that came with it: they come first, then words.
export function whenSeen(act) {
  requestAnimationFrame(() => whenIdle(act, { timeout: LONGEST_WAIT_MS }));
}

// Make the children of `parent` these nodes, touching only what is out of place: what stays keeps
// its focus, its loaded picture and its place on the screen.
export function place(parent, nodes) {
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] || null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}
