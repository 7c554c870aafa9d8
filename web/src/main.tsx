import { render } from "preact";
import { App } from "./app.ts";
import { isolateNextVisit } from "./isolation.ts";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/first.css";
import "./styles/answer.css";
import "./styles/blocks.css";
import "./styles/charts.css";
import "./styles/small.css";
import { Page } from "./ui/Page.tsx";

const app = new App();
// First, so that the list of models comes while the page is drawn.
void app.start();
const root = document.getElementById("page");
if (root) render(<Page app={app} />, root);
addEventListener("load", isolateNextVisit);
