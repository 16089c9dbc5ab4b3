// EmotionCircle in a notebook.
import { widget } from "../lib/wire/model";
import { drawEmotionCircle } from "../views/emotion_circle";

export default widget(drawEmotionCircle);
