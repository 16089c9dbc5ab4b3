// FeatureActivations in a notebook.
import { widget } from "../lib/wire/model";
import { drawFeatureActivations } from "../views/feature_activations";

export default widget(drawFeatureActivations);
