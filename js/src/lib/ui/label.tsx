// A feature's label: tokens it fires on as small chips, or a plain sentence.
import { visible } from "../wire/tokens";

/** Separates the tokens of a label (volvelle's SAE labels). */
export const SEPARATOR = " · ";

export function Label({ label }: { label: string }) {
  if (!label) return null;
  if (!label.includes(SEPARATOR)) {
    return (
      <span class="vv-label" dir="auto">
        {label}
      </span>
    );
  }
  return (
    <span class="vv-label">
      {label.split(SEPARATOR).map((token) => (
        <bdi class="vv-label-token" key={token}>
          {visible(token)}
        </bdi>
      ))}
    </span>
  );
}
