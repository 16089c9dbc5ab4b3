import { short } from "./numbers";

/** A number someone chose, such as a strength: three digits, and no zeros for show. */
export function tidy(value: number): string {
  const text = short(value);
  return text.includes(".") && !text.includes("e") ? text.replace(/\.?0+$/, "") : text;
}
