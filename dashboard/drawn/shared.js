// What these components draw with. Text from data goes through textContent only.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

export function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const NUMBER = new Intl.NumberFormat();
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const HOUR = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
// Below an axis there is no room for the minutes of full hours: 6 PM, or 18:00 where a bare 18 says too little.
const AXIS_HOUR = HOUR.resolvedOptions().hour12 ? new Intl.DateTimeFormat(undefined, { hour: "numeric" }) : HOUR;

export function number(value) {
  return NUMBER.format(value);
}

export function counted(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function moment(iso) {
  const made = element("time", "", MOMENT.format(new Date(iso)));
  made.dateTime = iso;
  return made;
}
