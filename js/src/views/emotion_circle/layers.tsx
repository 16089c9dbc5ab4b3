// The layer strip: the score of every layer as a bar, their common null as a mark; a click changes
// layer. The embedding is shown and cannot be chosen.
import { fixed } from "../../lib/dial/geometry";
import { tracked } from "../../lib/ui/tracked";
import type { State } from "./state";

const TALL = 46;

export const Layers = tracked(({ state }: { state: State }) => {
  const layers = state.layers.value;
  const shown = state.traits.signal("layer").value;
  const live = state.traits.signal("_live").value;
  if (layers.length === 0) return null;
  const axes = state.dial.facts.value.axes ?? ["", ""];
  const height = (value: number): number => Math.max(Math.min(value, 1), 0) * TALL;
  const here = layers.find(({ layer }) => layer === shown);
  const last = Math.max(...layers.map(({ layer }) => layer));

  function choose(layer: number): void {
    if (layer >= 0 && layer <= last && layer !== shown) state.traits.tell({ layer });
  }
  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    choose(shown + step);
  }
  const line = (axis: 0 | 1): string =>
    layers
      .map((each, i) => `${(i + 0.5) / layers.length} ${fixed(TALL - height(each.axes[axis]))}`)
      .join("L");

  const worth = (p = 1): string => `p ${p.toPrecision(2)} over ${layers.length} points`;

  return (
    <div class="vv-layers">
      <div
        class="vv-layer-bars"
        role="slider"
        tabIndex={0}
        aria-label="layer"
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={shown}
        onKeyDown={onKeyDown}
      >
        <svg
          class="vv-layer-lines"
          viewBox={`0 0 1 ${TALL}`}
          preserveAspectRatio="none"
          role="presentation"
        >
          <path d={`M${line(0)}`} />
          <path d={`M${line(1)}`} data-second="" />
        </svg>
        {layers.map(({ point, layer, score, limit, axes: read, p }) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: the strip is the control, with keys
          // biome-ignore lint/a11y/useKeyWithClickEvents: the strip has them
          <span
            key={point}
            class="vv-layer"
            data-layer={layer}
            data-shown={layer === shown ? "" : undefined}
            data-fixed={layer < 0 || !live ? "" : undefined}
            title={`${layer < 0 ? "embedding" : `layer ${layer}`}: circular correlation ${score.toFixed(2)}, ${worth(p)}; left-out ${axes[0]} r ${read[0].toFixed(2)}, ${axes[1]} r ${read[1].toFixed(2)}`}
            onClick={() => live && choose(layer)}
          >
            <i style={{ height: `${height(score)}px` }} />
            <b style={{ bottom: `${height(limit)}px` }} />
          </span>
        ))}
      </div>
      <div class="vv-layer-ticks">
        {layers.map(({ layer, point }) => (
          <span key={point} data-shown={layer === shown ? "" : undefined}>
            {layer < 0 ? "emb" : ticked(layer, shown) ? layer : ""}
          </span>
        ))}
      </div>
      <div class="vv-facts vv-layer-key">
        <span class="vv-key-bar">circular correlation by layer, 0…1; here {worth(here?.p)}</span>
        <span class="vv-key-limit">95 % of the best of shuffles</span>
        <span class="vv-key-first">{axes[0]} and</span>
        <span class="vv-key-second">{axes[1]} of unseen words, r</span>
      </div>
    </div>
  );
});

/** Every fifth layer and the one shown, where they do not touch. */
function ticked(layer: number, shown: number): boolean {
  return layer === shown || (layer > 0 && layer % 5 === 0 && Math.abs(layer - shown) > 1);
}
