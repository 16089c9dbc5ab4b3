// Steering in a notebook.
import { widget } from "../lib/wire/model";
import { drawSteering } from "../views/steering";

export default widget(drawSteering);
