// What is known of the point under the pointer.

import { scaleOf, toScreen } from "../../lib/scatter/camera";
import { at as placeOf } from "../../lib/scatter/points";
import { Label } from "../../lib/ui/label";
import { short } from "../../lib/ui/numbers";
import { place } from "../../lib/ui/place";
import { tracked, useEffect, useLayoutEffect, useRef, useSignal } from "../../lib/ui/tracked";
import { NAMES, type Neighbour, neighboursOf, type Side, type Spot, type Which } from "./data";
import type { MapState } from "./state";
import type { LookedAt } from "./traits";

interface CardProps {
  state: MapState;
  frame(): HTMLElement | null;
}

export const Card = tracked(({ state, frame }: CardProps) => {
  const spot = state.looked.value;
  const box = useRef<HTMLDivElement>(null);
  const where = useSignal({ left: -9999, top: 0 });
  useLayoutEffect(() => {
    const card = box.current;
    const stage = frame();
    if (!spot || !card || !stage) return;
    const split = state.split.value;
    const width = stage.clientWidth;
    const half = split ? (width - 1) / 2 : width;
    const rect = {
      x: split && spot.which ? half + 1 : 0,
      y: 0,
      width: half,
      height: stage.clientHeight,
    };
    const camera = state.camera.value;
    const [x, y] = toScreen(
      camera,
      rect,
      ...placeOf(state.sides.value[spot.which].layer, spot.index),
    );
    const gap = scaleOf(camera, rect) > 0 ? 12 : 0;
    // in its own panel where that is wide enough: the match lights up in the other
    const own = card.offsetWidth + 12 <= rect.width ? rect : { x: 0, width };
    const target = { left: x - gap, right: x + gap, top: y - gap, bottom: y + gap };
    const at = place(
      { ...target, left: target.left - card.offsetWidth / 2 },
      { width: card.offsetWidth, height: card.offsetHeight },
      { left: own.x, top: 0, right: own.x + own.width, bottom: stage.clientHeight },
    );
    where.value = { left: at.left + own.x, top: at.top };
  }, [spot?.which, spot?.index, state.camera.value]);
  const ask = spot && needsAsking(state, spot);
  useEffect(() => {
    // a map too large to send all ahead: asked for once the pointer rests
    if (!ask || !spot) return undefined;
    const timer = setTimeout(() => {
      state.traits.request("look", { which: NAMES[spot.which], index: spot.index });
    }, 120);
    return () => clearTimeout(timer);
  }, [spot?.which, spot?.index, ask]);
  if (!spot) return null;
  const side = state.sides.value[spot.which];
  return (
    <div
      class="vv-map-card"
      ref={box}
      role="status"
      style={{ left: `${where.value.left}px`, top: `${where.value.top}px` }}
    >
      <div class="vv-map-card-head">
        <b>
          {side.name}/{spot.index}
        </b>{" "}
        <Label label={label(state, spot)} />
      </div>
      <Facts state={state} side={side} spot={spot} />
      <Near state={state} side={side} spot={spot} />
    </div>
  );
});

/** What Python sent about this point alone, where that is the point it was asked about. */
function answer(state: MapState, spot: Spot): LookedAt | undefined {
  const looked = state.traits.signal("_looked").value;
  return looked.which === NAMES[spot.which] && looked.index === spot.index ? looked : undefined;
}

function needsAsking(state: MapState, spot: Spot): boolean {
  const live = state.traits.signal("_live").value;
  const drawn = state.traits.signal("_drawn").value;
  const side = state.sides.value[spot.which];
  const asks = state.facts.value.asks?.includes(NAMES[spot.which]) ?? false;
  return live && !drawn && (side.near.length === 0 || asks) && !answer(state, spot);
}

function label(state: MapState, spot: Spot): string {
  return answer(state, spot)?.label ?? state.sides.value[spot.which].label(spot.index);
}

interface PartProps {
  state: MapState;
  side: Side;
  spot: Spot;
}

const Facts = tracked(({ state, side, spot }: PartProps) => {
  const density = side.density[spot.index];
  const match = state.match(spot);
  const score = state.matches.value.score[spot.which][spot.index] ?? 0;
  const late = answer(state, spot)?.promoted;
  const promoted = side.promoted(spot.index) || late;
  const facts = state.facts.value;
  const matching = facts.match && state.sides.value[1].n > 0;
  return (
    <dl>
      {density !== undefined && Number.isFinite(density) && (
        <>
          <dt>density</dt>
          <dd>fires on {share(10 ** density)} of tokens</dd>
        </>
      )}
      {matching && (
        <>
          <dt>match</dt>
          <dd>
            {match ? (
              <Counterpart state={state} near={{ ...match, score }} />
            ) : (
              "none above the null's 95 %"
            )}
          </dd>
        </>
      )}
      {promoted && (
        <>
          <dt>promotes</dt>
          <dd>
            <Label label={promoted} />
          </dd>
        </>
      )}
    </dl>
  );
});

/** Densities down to one in a hundred thousand, as people read them. */
function share(density: number): string {
  return density >= 0.001 ? `${short(density * 100)} %` : `${short(density * 1e6)} in a million`;
}

const Near = tracked(({ state, side, spot }: PartProps) => {
  let [own, other] = neighboursOf(side, spot.index);
  const late = answer(state, spot);
  if (late) [own, other] = asked(late, spot);
  const counterpart = state.sides.value[(1 - spot.which) as Which];
  const kind = state.facts.value.mode === "separate" ? "score" : "cosine";
  return (
    <div class="vv-near">
      <Neighbours
        title={`nearest in ${side.name}, cosine`}
        near={own}
        state={state}
        late={late}
        kind="own"
      />
      {counterpart.n > 0 && (
        <Neighbours
          title={`nearest in ${counterpart.name}, ${kind}`}
          near={other}
          state={state}
          late={late}
          kind="other"
        />
      )}
    </div>
  );
});

function asked(late: LookedAt, spot: Spot): [Neighbour[], Neighbour[]] {
  const list = (indices: number[] = [], scores: (number | null)[] = [], which: Which) =>
    indices.flatMap((index, i): Neighbour[] =>
      index < 0 ? [] : [{ which, index, score: scores[i] ?? Number.NaN }],
    );
  return [
    list(late.own, late.own_cosine, spot.which),
    list(late.other, late.other_score, (1 - spot.which) as Which),
  ];
}

interface NeighboursProps {
  title: string;
  near: Neighbour[];
  state: MapState;
  late: LookedAt | undefined;
  kind: "own" | "other";
}

const Neighbours = ({ title, near, state, late, kind }: NeighboursProps) =>
  near.length === 0 ? null : (
    <div>
      <div class="vv-near-title">{title}</div>
      {near.map((each, i) => (
        <Counterpart key={each.index} state={state} near={each} label={late?.labels?.[kind][i]} />
      ))}
    </div>
  );

interface CounterpartProps {
  state: MapState;
  near: Neighbour;
  label?: string | undefined;
}

const Counterpart = ({ state, near, label: given }: CounterpartProps) => {
  const side = state.sides.value[near.which];
  return (
    <div class="vv-near-row">
      <span class="vv-near-score">{Number.isFinite(near.score) ? short(near.score) : "–"}</span>
      <span class="vv-row-index">{near.index}</span>
      <Label label={given ?? side.label(near.index)} />
    </div>
  );
};
