// Numbers as people read them, with a true minus sign.

/** Three significant digits, no exponent between 0.001 and 100,000. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return "0";
  let text: string;
  if (size >= 1e5 || size < 1e-3) text = size.toExponential(1).replace("e+", "e");
  else if (size >= 100) text = size.toFixed(0);
  else if (size >= 10) text = size.toFixed(1);
  else text = size.toPrecision(3);
  return value < 0 ? `−${text}` : text;
}

/** A number someone chose, such as a strength: three digits, and no zeros for show. */
export function tidy(value: number): string {
  const text = short(value);
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}

/** 12,345 */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** A fraction in per cent: "3.1 %", "< 0.001 %". */
export function percent(fraction: number): string {
  const value = fraction * 100;
  if (value === 0) return "0 %";
  if (value < 0.001) return "< 0.001 %";
  return `${value >= 10 ? value.toFixed(0) : value.toPrecision(2)} %`;
}

/** 0.4 s, 12 s, 2 min 5 s, 1 h 3 min. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
