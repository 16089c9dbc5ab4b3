// CircularManifold in a notebook.
import { widget } from "../lib/wire/model";
import { drawCircularManifold } from "../views/circular_manifold";

export default widget(drawCircularManifold);
