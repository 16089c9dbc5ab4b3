// The hand of a dial: an ARIA slider that mouse, touch and keys turn.

import { tracked } from "../ui/tracked";
import { at, fixed, turn } from "./geometry";
import type { DialState } from "./state";

interface HandProps {
  dial: DialState;
  radius: number;
}

export const HandOfDial = tracked(({ dial, radius }: HandProps) => {
  const hand = dial.hand.value;
  const rim = dial.traits.signal("rim").value;
  const length = Math.min(hand.strength / rim, 1) * radius;
  const end = at(hand.angle, length);
  const rest = at(hand.angle, Math.max(length - 9, 0));
  const name = dial.nearestName(hand.angle);
  const degrees = Math.round(hand.angle);

  function onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = turn(event.key, event.shiftKey, dial.hand.value, rim);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has its own arrow keys
    dial.release(next);
  }

  return (
    <g
      class="vv-hand"
      data-dragging={dial.dragging.value ? "" : undefined}
      role="slider"
      tabindex={0}
      aria-label="hand of the dial: arrows turn it by 5 degrees, Page Up and Down by 30; plus, minus: its length"
      aria-valuemin={0}
      aria-valuemax={359}
      aria-valuenow={degrees}
      aria-valuetext={`${degrees} degrees, near ${name}, strength ${hand.strength.toFixed(2)}`}
      onKeyDown={onKeyDown}
    >
      <line class="vv-hand-line" x1="0" y1="0" x2={fixed(rest.x)} y2={fixed(rest.y)} />
      <circle class="vv-hand-pin" r="4.5" />
      <circle class="vv-hand-halo" cx={fixed(end.x)} cy={fixed(end.y)} r="13" />
      <circle class="vv-hand-knob" cx={fixed(end.x)} cy={fixed(end.y)} r="8" />
    </g>
  );
});
