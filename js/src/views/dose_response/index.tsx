// DoseResponse: an answer against the strength of concepts, beside placebos and a control question.

import type { ReadonlySignal } from "@preact/signals-core";
import { render } from "preact";
import { linear } from "../../lib/ui/axis";
import base from "../../lib/ui/base.css";
import { category, css } from "../../lib/ui/colour";
import { Status, unanswered } from "../../lib/ui/status";
import { csv, download } from "../../lib/ui/table";
import { addStyles } from "../../lib/ui/theme";
import { tracked, useEffect, useRef, useSignal } from "../../lib/ui/tracked";
import type { Traits } from "../../lib/wire/model";
import { axisName, type Measure, type Question } from "./data";
import { type Drawn, LEFT, Panel, RIGHT } from "./panel";
import { Readout, Texts } from "./reading";
import sheet from "./style.css";
import type { DoseCurve, DoseResponseTraits } from "./traits";

/** Draw the view into `el` until `stop` aborts. */
export function drawDoseResponse(
  el: HTMLElement,
  traits: Traits<DoseResponseTraits>,
  stop: AbortSignal,
): void {
  const root = document.createElement("div");
  root.className = "vv vv-dose_response";
  el.append(root);
  addStyles(el, base, sheet);
  const late = unanswered(traits, stop);
  render(<View traits={traits} late={late} />, root);
  stop.addEventListener("abort", () => render(null, root));
}

interface ViewProps {
  traits: Traits<DoseResponseTraits>;
  late: ReadonlySignal<boolean>;
}

const View = tracked(({ traits, late }: ViewProps) => {
  const facts = traits.signal("_facts").value;
  const curves = traits.signal("_curves").value;
  const on = traits.signal("concepts").value;
  const order = new Map(curves.map(({ concept }, i) => [concept, i]));
  const colour = (concept: string): string => css(category(order.get(concept) ?? 0));
  const drawn = curves.filter(({ concept }) => on.includes(concept));
  const placebos = curves[0]?.n ?? {};
  const percent = Math.round(100 * Math.min(1, ...Object.values(curves[0]?.coverage ?? {})));
  const title = [facts.model, facts.points?.join(", ")].filter(Boolean).join(" · ");
  const numbers = [
    placebos.random && `${placebos.random} random placebos`,
    placebos.shuffled && `${placebos.shuffled} other features`,
    !placebos.random && !placebos.shuffled && "no placebo was run",
    `seed ${facts.seed ?? 0}`,
  ].filter(Boolean);

  function save(): void {
    const head = ["concept", "strength", "question", "p", "entropy", "mass"];
    const rows = curves.flatMap((curve) =>
      (Object.keys(curve.p) as Question[]).flatMap((q) =>
        (facts.strengths ?? []).map((s, i) => [
          curve.concept,
          s * (facts.own ?? 1),
          q,
          curve.p[q]?.[i] ?? "",
          curve.entropy[q]?.[i] ?? "",
          curve.mass[q]?.[i] ?? "",
        ]),
      ),
    );
    download("dose_response.csv", new Blob([csv(head, rows)], { type: "text/csv" }));
  }

  if (curves.length === 0) {
    return <p class="vv-empty">Nothing measured yet: vv.DoseResponse(vv.dose(model, …)).</p>;
  }
  return (
    <>
      <div class="vv-head">
        <span class="vv-title">{title}</span>
        <span class="vv-facts">{numbers.join(" · ")}</span>
        <span class="vv-grow" />
        <button type="button" onClick={save}>
          CSV
        </button>
      </div>
      <Status traits={traits} late={late} verb="measuring" />
      <div class="vv-legend" role="group" aria-label="concepts">
        {curves.map(({ concept }) => (
          <button
            type="button"
            key={concept}
            aria-pressed={on.includes(concept)}
            onClick={() =>
              traits.set(
                "concepts",
                on.includes(concept)
                  ? on.filter((other) => other !== concept)
                  : curves.map((c) => c.concept).filter((c) => c === concept || on.includes(c)),
              )
            }
          >
            <i class="vv-swatch" style={{ background: colour(concept) }} /> {concept}
          </button>
        ))}
        <span class="vv-key">
          <s /> {percent} % of placebos of the same size stay in the band at every strength
        </span>
        {facts.questions?.reversed && (
          <span class="vv-key">
            <u /> the reversed question
          </span>
        )}
      </div>
      <Charts traits={traits} drawn={drawn} order={order} colour={colour} />
      <p class="vv-summary">{facts.summary}</p>
    </>
  );
});

interface ChartsProps {
  traits: Traits<DoseResponseTraits>;
  drawn: DoseCurve[];
  order: Map<string, number>;
  colour(concept: string): string;
}

const Charts = tracked(({ traits, drawn, order, colour }: ChartsProps) => {
  const box = useRef<HTMLDivElement>(null);
  const width = useSignal(640);
  const looked = useSignal(-1);
  const facts = traits.signal("_facts").value;
  const selected = traits.signal("selected").value;
  const strengths = facts.strengths ?? [];
  useEffect(() => {
    if (!box.current || typeof ResizeObserver === "undefined") return undefined;
    const watcher = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) width.value = entry.contentRect.width;
    });
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);

  const x = linear([strengths[0] ?? 0, strengths.at(-1) ?? 1], [LEFT + 8, width.value - RIGHT - 6]);
  const lines = (measure: Measure, question: Question, dashed = false): Drawn[] =>
    drawn.flatMap((curve) => {
      const line = curve[measure][question];
      if (!line) return [];
      const { concept, owner } = curve;
      const sharing = drawn.filter((other) => other.owner === owner);
      // one band where concepts share their placebos, in no concept's colour
      const own = question !== "reversed" && !dashed && sharing[0] === curve;
      const band = curve.bands[question === "control" ? question : measure];
      const bands = Object.entries((own && band) || {});
      const tint = sharing.length > 1 ? "var(--ink-soft)" : colour(concept);
      return {
        key: concept,
        order: order.get(concept) ?? 0,
        colour: colour(concept),
        line,
        dashed,
        bands: bands.map(([kind, quantiles]) => ({ kind, quantiles, colour: tint })),
      };
    });
  const chosenAt = strengths.findIndex(
    (s) => Math.abs(s - (selected.strength ?? Number.NaN)) < 1e-9,
  );
  const chosen =
    selected.concept && chosenAt >= 0 ? { key: selected.concept, at: chosenAt } : undefined;
  const choose = (concept: string, at: number): void => {
    const strength = strengths[at] ?? 0;
    const same = selected.concept === concept && chosen?.at === at;
    traits.set("selected", same ? {} : { concept, strength });
  };
  const answer = facts.answers?.[0] ?? "";
  const asked = `P(${answer}) among ${facts.answers?.join(", ")}`;
  const shared = {
    strengths,
    x,
    width: width.value,
    own: facts.own ?? 1,
    active: looked.value,
    chosen,
    choose,
    look: (at: number) => {
      looked.value = at;
    },
  };
  const control = lines("p", "control");
  const current = drawn.find(({ concept }) => concept === selected.concept);

  function keys(event: KeyboardEvent): void {
    const steps: Record<string, [number, number]> = {
      ArrowRight: [1, 0],
      ArrowLeft: [-1, 0],
      ArrowDown: [0, 1],
      ArrowUp: [0, -1],
    };
    if (event.key === "Escape") traits.set("selected", {});
    const step = steps[event.key];
    if (!step || !drawn.length) return;
    event.preventDefault();
    const limit = (i: number, n: number): number => Math.min(Math.max(i, 0), n - 1);
    const i = drawn.findIndex(({ concept }) => concept === selected.concept);
    const next = drawn[limit(Math.max(i, 0) + step[1], drawn.length)];
    const at = chosen ? limit(chosen.at + step[0], strengths.length) : strengths.indexOf(0);
    looked.value = at;
    if (next) traits.set("selected", { concept: next.concept, strength: strengths[at] ?? 0 });
  }

  const at = looked.value >= 0 ? looked.value : chosenAt;
  return (
    <div class="vv-body">
      <div
        class="vv-charts"
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys choose a point
        tabIndex={0}
        role="group"
        aria-label="curves; left and right change the strength, up and down the concept, Escape closes the texts"
        onKeyDown={keys}
        onPointerLeave={() => {
          looked.value = -1;
        }}
      >
        <Panel
          {...shared}
          label={asked}
          title={facts.questions?.asked?.join("\n") ?? ""}
          lines={[...lines("p", "asked"), ...lines("p", "reversed", true)]}
          height={220}
          range={[0, 1]}
        />
        {control.length > 0 && (
          <Panel
            {...shared}
            label={`the same on the control question (n = ${facts.questions?.control?.length})`}
            title={facts.questions?.control?.join("\n") ?? ""}
            lines={control}
            height={110}
            range={[0, 1]}
          />
        )}
        <Panel
          {...shared}
          label="entropy of the next token (nats)"
          title="of the whole distribution: rises when the model no longer knows what to say"
          lines={lines("entropy", "asked")}
          height={140}
          range={undefined}
          axis={axisName(facts)}
        />
      </div>
      {at >= 0 && <Readout curves={drawn} facts={facts} at={at} colour={colour} />}
      {current && chosen && (
        <Texts
          curve={current}
          facts={facts}
          strength={strengths[chosen.at] ?? 0}
          close={() => traits.set("selected", {})}
        />
      )}
      {!chosen && <p class="vv-hint">Click a point to read its texts.</p>}
    </div>
  );
});
