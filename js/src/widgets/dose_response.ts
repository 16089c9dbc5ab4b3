// DoseResponse in a notebook.
import { widget } from "../lib/wire/model";
import { drawDoseResponse } from "../views/dose_response";

export default widget(drawDoseResponse);
