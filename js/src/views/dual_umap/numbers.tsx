// The numbers beside the picture: what it is worth, measured in the original space.
import { count, percent, short } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import type { MapState } from "./state";
import type { MapFacts } from "./traits";

interface Fact {
  name: string;
  value: string;
  /** The null, or what a number is held against. */
  against?: string;
  explain: string;
}

const tenths = (share = 0): string => (100 * share).toFixed(1).replace("-", "−");

/** Facts in order; none that are not known yet. */
export function factsOf(facts: MapFacts): Fact[] {
  const found: Fact[] = [];
  if (facts.n_matched !== undefined && facts.match) {
    const over = facts.n_rows ? ` over ${count(facts.n_rows)} ${facts.unit}s` : "";
    found.push({
      name: `matched by ${facts.match}${over}`,
      value: `${count(facts.n_matched)} of ${count(facts.n_compared ?? 0)} (${percent(facts.matched_share ?? 0)})`,
      against: [
        facts.threshold === undefined ? "" : `above ${short(facts.threshold)}, 95 % of chance`,
        facts.n_expected === undefined ? "" : `${count(Math.round(facts.n_expected))} expected`,
        facts.n_of_one_family ? `${count(facts.n_of_one_family)} more only of one family` : "",
      ]
        .filter(Boolean)
        .join("; "),
      explain:
        (facts.n_rows ? "of the features that fire at least ten times there: " : "") +
        "mutual nearest features whose score is above 95 % of the best scores under permutation" +
        (facts.n_rows
          ? ""
          : ", and that are nearer than their families: the eight nearest siblings of each"),
    });
  }
  if (facts.twins !== undefined) {
    found.push({
      name: "twins",
      value: `${tenths(facts.twins)} %`,
      against: `beyond chance; ${tenths(facts.twins_low)} … ${tenths(facts.twins_high)} % when labels are permuted`,
      explain:
        "features of the smaller dictionary whose nearest of all, in the original space, is of the other: 100 % where every one has a twin, 0 by chance, below 0 where they keep apart",
    });
  }
  if (facts.trustworthiness !== undefined) {
    found.push({
      name: "trustworthiness",
      value: facts.trustworthiness.toFixed(3),
      against: "1 best, .5 a random picture",
      explain: "whether points near each other in the picture are near in the original space",
    });
    found.push({
      name: "neighbour recall",
      value: percent(facts.recall ?? 0),
      against: "of 15",
      explain: "share of a feature's nearest neighbours that are so in the picture too",
    });
  }
  if (facts.disparity !== undefined) {
    found.push({
      name: "b onto a",
      value: short(facts.disparity),
      against: "0 fits, 1 nothing in common",
      explain: "squared distance that Procrustes leaves between matched points",
    });
  }
  if (facts.stability !== undefined) {
    found.push({
      name: "moves with the seed",
      value: short(facts.stability),
      against: `0 the same picture, 1 nothing in common; ${facts.n_seeds} more seeds`,
      explain: "mean Procrustes distance between this picture and those of other seeds",
    });
  }
  return found;
}

export const Numbers = tracked(({ state }: { state: MapState }) => {
  const facts = state.facts.value;
  const drawn = state.traits.signal("_drawn").value;
  const found = factsOf(facts);
  if (!found.length) return null;
  return (
    <div class="vv-numbers" data-old={drawn ? "" : undefined}>
      {found.map(({ name, value, against, explain }) => (
        <span class="vv-number" title={explain} key={name}>
          {name} <b>{value}</b> {against && <span class="vv-facts">{against}</span>}
        </span>
      ))}
      <span class="vv-facts">
        {facts.search} neighbours, {facts.n_neighbors} each · {facts.n_epochs} epochs · seed{" "}
        {facts.seed}
      </span>
    </div>
  );
});
