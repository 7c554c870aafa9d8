// The whole page, in the order a visitor reads it.

import { useEffect, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { VIEWS, type View } from "../logic/link.ts";
import { questions } from "../logic/words.ts";
import { AccuracySection } from "./Accuracy.tsx";
import { Answers } from "./Answers.tsx";
import { BlocksSection } from "./Blocks.tsx";
import { BudgetSlider } from "./BudgetSlider.tsx";
import { Costs } from "./Costs.tsx";
import { Details } from "./Details.tsx";
import { useDrops } from "./drops.ts";
import { EngineLine } from "./EngineLine.tsx";
import { useApp } from "./hooks.ts";
import { PicturePanel } from "./PicturePanel.tsx";
import { PicturesSection } from "./Pictures.tsx";
import { TaskChoice } from "./TaskChoice.tsx";
import { Trouble } from "./Trouble.tsx";

const NAMES: Record<View, string> = {
  try: "Try it",
  blocks: "The blocks",
  accuracy: "Accuracy",
  pictures: "Hard pictures",
  details: "Details",
};

export function Page({ app }: { app: App }) {
  useApp(app);
  const dropping = useDrops(app);
  const { state } = app;
  useView(state.view);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("answer")?.focus()}>
        To the answer
      </button>
      <header class="top">
        <div>
          <h1>One network, many sizes</h1>
          <p class="lead">
            A small network sits inside a larger one, inside a larger one still, and all of them answer{" "}
            {questions(state.info?.tasks.length)}. Give it less memory and see{" "}
            <strong>what you lose, and what you gain</strong>.
          </p>
        </div>
        <EngineLine app={app} />
      </header>
      <nav class="tabs" aria-label="Parts of the page">
        {VIEWS.map((view) => (
          <button
            key={view}
            type="button"
            aria-current={state.view === view ? "true" : undefined}
            onClick={() => {
              app.setView(view);
              show(view);
            }}
          >
            {NAMES[view]}
          </button>
        ))}
      </nav>
      <main>
        {state.broken ? (
          <Trouble trouble={state.broken} onRetry={() => void app.retry()} />
        ) : (
          <>
            <div class="first" id="view-try">
              <PicturePanel app={app} dropping={dropping} />
              <div class="side">
                <BudgetSlider app={app} />
                <TaskChoice app={app} />
                <Answers app={app} />
                <Costs app={app} />
              </div>
            </div>
            <BlocksSection app={app} />
            <AccuracySection app={app} />
            <PicturesSection app={app} />
            <Details app={app} />
          </>
        )}
      </main>
      <footer>
        <p>
          After Kim, Ahn, Torr and Oh,{" "}
          <cite>Deep Virtual Networks for Memory Efficient Inference of Multiple Tasks</cite>, CVPR 2019. Your
          pictures never leave this device.
        </p>
      </footer>
    </>
  );
}

/** Follows a link or the browser's Back to its part of the page. */
function useView(view: View) {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current || view !== "try") show(view);
    first.current = false;
  }, [view]);
}

function show(view: View) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const behavior = still ? "auto" : "smooth";
  if (view === "try") scrollTo({ top: 0, behavior });
  else document.getElementById(`view-${view}`)?.scrollIntoView({ behavior, block: "start" });
}
