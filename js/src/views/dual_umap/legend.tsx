// What colours and shapes mean.
import { css } from "../../lib/ui/colour";
import { tracked } from "../../lib/ui/tracked";
import type { MapState } from "./state";

export const LegendRow = tracked(({ state }: { state: MapState }) => {
  const { title, scale, keys } = state.legend.value;
  const [a, b] = state.sides.value;
  if (!a.n) return null;
  return (
    <div class="vv-map-legend">
      <span class="vv-legend-title">{title}</span>
      {scale && (
        <span class="vv-scale">
          {scale.low}
          <i
            style={{
              background: `linear-gradient(90deg, ${scale.stops.map((c) => css(c)).join()})`,
            }}
          />
          {scale.high}
        </span>
      )}
      {keys?.map(({ colour, text }) => (
        <span class="vv-key" key={text}>
          <i class="vv-swatch" style={{ background: css(colour) }} />
          {text}
        </span>
      ))}
      {b.n > 0 && (
        <>
          <span class="vv-key">
            <i class="vv-shape" data-matched="" /> matched
          </span>
          <span class="vv-key">
            <i class="vv-shape" /> no match
          </span>
        </>
      )}
      <span class="vv-grow" />
      <span class="vv-facts">distances in the picture are not meanings: hover for cosines</span>
    </div>
  );
});
