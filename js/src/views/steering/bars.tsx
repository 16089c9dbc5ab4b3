// Probabilities of the watched tokens, and beside each what placebos of the same size do.
import { Fragment } from "preact";
import { short, tidy } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import { visible } from "../../lib/wire/tokens";
import type { Shown } from "./data";
import type { State } from "./state";

const KINDS = [
  ["random", "random directions"],
  ["shuffled", "other features"],
] as const;
const CALLED: Record<string, string> = {
  ...Object.fromEntries(KINDS),
  relabelled: "its texts relabelled",
  rescaled: "its texts relabelled, at its length",
};

/** The step the bars are for: the token looked at, the newest, or right after the prompt. */
export function stepOf(state: State, shown: Shown): number {
  const looked = state.looked.value;
  if (looked?.serial === shown.serial && looked.column >= 0) return looked.token;
  return shown.finished ? 0 : Math.max(0, ...shown.columns.map((c) => c.strings.length - 1));
}

/** A token as a reader sees it, cut where a line may break: before the sign of a space. */
const words = (token: string): string[] => visible(token).split(/(?=·)/);

interface WatchedProps {
  state: State;
  shown: Shown;
  column: number;
}

export const Watched = tracked(({ state, shown, column }: WatchedProps) => {
  const { watch, once, columns, run } = shown;
  const mine = columns[column];
  if (watch.length === 0 || !mine) return null;
  const step = stepOf(state, shown);
  return (
    <div class="vv-watched">
      {watch.map((token, k) => {
        const value = mine.watched(step, k);
        // one scale per token over all columns, so that bars compare
        const reach = columns.flatMap((each) => [
          each.watched(step, k) ?? 0,
          ...KINDS.map(([kind]) => each.band(kind, step, k)?.[2] ?? 0),
        ]);
        const most = Math.max(...reach) || 1;
        const share = (p: number): string => `${Math.min(p / most, 1) * 100}%`;
        const bands = KINDS.flatMap(([kind, name]) => {
          const band = mine.band(kind, step, k);
          return band ? [{ kind, name, band }] : [];
        });
        const said = bands
          .map(({ name, band }) => `${name}: ${short(band[0])} to ${short(band[2])}`)
          .join("; ");
        const spelled = run?.spellings?.[k] ?? [];
        const tests = step === 0 || once[k] ? Object.entries(mine.p ?? {}) : [];
        const p = Math.max(...tests.map(([, each]) => each[k] ?? 1));
        const about = [
          spelled.length > 1 && `counts ${spelled.map(visible).join(", ")}`,
          once[k] && "an answer of several tokens: P of the whole, right after the prompt",
          said && `placebo band (5…95 %): ${said}`,
          ...tests.map(([kind, each]) => `p = ${tidy(each[k] ?? 1)} against ${CALLED[kind]}`),
          tests.length > 0 && "p pays for all answers and strengths",
        ];
        return (
          <div class="vv-watch" key={token} title={about.filter(Boolean).join("\n")}>
            <bdi class="vv-index">
              {words(token).map((word, i) => (
                <Fragment key={i}>
                  {i > 0 && <wbr />}
                  {word}
                </Fragment>
              ))}
              {once[k] && <small>after the prompt</small>}
            </bdi>
            <span
              class="vv-track"
              role="img"
              aria-label={`P(${token.trim()}) ${value === undefined ? "unknown" : short(value)}; ${said}`}
            >
              <span>
                <i style={{ width: share(value ?? 0) }} />
              </span>
              {bands.map(({ kind, band }) => (
                <span key={kind}>
                  <s
                    data-kind={kind}
                    style={{ left: share(band[0]), right: `calc(100% - ${share(band[2])})` }}
                  />
                  <b style={{ left: share(band[1]) }} />
                </span>
              ))}
            </span>
            <span class="vv-num">
              {value === undefined ? "–" : short(value)}
              {tests.length > 0 && <small>p {tidy(p)}</small>}
            </span>
          </div>
        );
      })}
    </div>
  );
});
