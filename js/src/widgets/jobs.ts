// Jobs in a notebook.
import { widget } from "../lib/wire/model";
import { drawJobs } from "../views/jobs";

export default widget(drawJobs);
