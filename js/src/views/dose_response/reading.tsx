// The numbers at one strength, and the texts of a chosen point.
import { short, tidy } from "../../lib/ui/numbers";
import { tracked } from "../../lib/ui/tracked";
import type { Question } from "./data";
import type { DoseCurve, DoseFacts, DoseText } from "./traits";

const NAMES: Record<Question, string> = {
  asked: "asked",
  control: "control",
  reversed: "reversed",
};
const said = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : short(value);

interface ReadoutProps {
  curves: DoseCurve[];
  facts: DoseFacts;
  at: number;
  colour(concept: string): string;
}

export const Readout = tracked(({ curves, facts, at, colour }: ReadoutProps) => {
  const strength = (facts.strengths?.[at] ?? 0) * (facts.own ?? 1);
  const questions = (Object.keys(NAMES) as Question[]).filter((q) => facts.questions?.[q]);
  return (
    <table class="vv-readout" aria-live="polite">
      <caption>at strength {tidy(strength)}</caption>
      <thead>
        <tr>
          <th>concept</th>
          {questions.map((q) => (
            <th key={q}>
              P({facts.answers?.[0]}) {NAMES[q]}
            </th>
          ))}
          <th>placebo band</th>
          <th>all answers</th>
          <th>entropy</th>
        </tr>
      </thead>
      <tbody>
        {curves.map((curve) => {
          const bands = Object.entries(curve.bands.p ?? {});
          return (
            <tr key={curve.concept}>
              <th>
                <i class="vv-swatch" style={{ background: colour(curve.concept) }} />{" "}
                {curve.concept}
              </th>
              {questions.map((q) => (
                <td key={q}>{said(curve.p[q]?.[at])}</td>
              ))}
              <td>
                {bands
                  .map(([kind, [low, , high]]) => `${kind} ${said(low?.[at])}…${said(high?.[at])}`)
                  .join(", ") || "none run"}
              </td>
              <td>{said(curve.mass.asked?.[at])}</td>
              <td>{said(curve.entropy.asked?.[at])} nats</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
});

interface TextsProps {
  curve: DoseCurve;
  facts: DoseFacts;
  strength: number;
  close(): void;
}

export const Texts = tracked(({ curve, facts, strength, close }: TextsProps) => {
  const mine = curve.texts.filter((each) => Math.abs(each.strength - strength) < 1e-9);
  const shown = strength * (facts.own ?? 1);
  return (
    <section class="vv-texts" aria-label="texts of the chosen point">
      <p class="vv-caption">
        <b>
          {curve.concept} at {tidy(shown)}
        </b>
        <span class="vv-facts">{curve.formulas.join("; ")}</span>
        <span class="vv-grow" />
        <button type="button" aria-label="close the texts" onClick={close}>
          ×
        </button>
      </p>
      {mine.map((each) => (
        <OneText each={each} facts={facts} key={`${each.question} ${each.prompt}`} />
      ))}
    </section>
  );
});

function OneText({ each, facts }: { each: DoseText; facts: DoseFacts }) {
  const prompt = facts.questions?.[each.question]?.[each.prompt] ?? "";
  return (
    <div class="vv-answer">
      <span class="vv-facts">{NAMES[each.question]}</span>
      <span class="vv-answer-text">
        <span class="vv-asked">{prompt}</span>
        {each.text ? <b>{each.text}</b> : <i> no text was written: vv.dose(max_new_tokens=…)</i>}
      </span>
      <span class="vv-num">
        {facts.answers?.map((answer, i) => `P(${answer}) ${said(each.answers[i])}`).join(" · ")}
      </span>
    </div>
  );
}
