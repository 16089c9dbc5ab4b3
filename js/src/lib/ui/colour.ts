// Colour scales, the same in every view: cividis for sizes, blue-white-red for signs,
// Okabe-Ito for kinds, an even-lightness wheel for angles.

export type RGB = readonly [number, number, number];

// RdBu (ColorBrewer, 11 classes), blue for negative.
const RDBU: RGB[] = [
  [5, 48, 97],
  [33, 102, 172],
  [67, 147, 195],
  [146, 197, 222],
  [209, 229, 240],
  [247, 247, 247],
  [253, 219, 199],
  [244, 165, 130],
  [214, 96, 77],
  [178, 24, 43],
  [103, 0, 31],
];

/** Okabe & Ito (2008) without black, ordered so that neighbours differ most. */
export const OKABE_ITO: RGB[] = [
  [0, 114, 178],
  [230, 159, 0],
  [0, 158, 115],
  [204, 121, 167],
  [86, 180, 233],
  [213, 94, 0],
  [240, 228, 66],
  [128, 128, 128],
];
/** How many things chosen together can be told apart by colour; a test holds it to the list. */
export const MOST_COLOURED = 8;

function between(stops: RGB[], t: number): RGB {
  const x = Math.min(Math.max(Number.isFinite(t) ? t : 0, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(x), stops.length - 2);
  const a = stops[i] as RGB;
  const b = stops[i + 1] as RGB;
  return mix(a, b, x - i);
}

/** `a` at t = 0, `b` at t = 1, straight in sRGB. */
export function mix(a: RGB, b: RGB, t: number): RGB {
  return [0, 1, 2].map((k) => {
    const from = a[k] as number;
    return Math.round(from + ((b[k] as number) - from) * t);
  }) as unknown as RGB;
}

/** cividis (Nunez, Anderton & Renslow 2018) at t in 0...1; polynomial fit as in d3-scale-chromatic. */
export function sequential(t: number): RGB {
  const x = Math.min(Math.max(Number.isFinite(t) ? t : 0, 0), 1);
  const r = -4.54 - x * (35.34 - x * (2381.73 - x * (6402.7 - x * (7024.72 - x * 2710.57))));
  const g = 32.49 + x * (170.73 + x * (52.82 - x * (131.46 - x * (176.58 - x * 67.37))));
  const b = 81.24 + x * (442.36 - x * (2482.43 - x * (6167.24 - x * (6614.94 - x * 2475.67))));
  return [r, g, b].map((v) => Math.round(Math.min(Math.max(v, 0), 255))) as unknown as RGB;
}

/** Blue at -1, near white at 0, red at +1. */
export function diverging(t: number): RGB {
  return between(RDBU, (t + 1) / 2);
}

/** Colour of category `i`; after eight they repeat, so shape or number must tell them apart. */
export function category(i: number): RGB {
  return OKABE_ITO[((i % MOST_COLOURED) + MOST_COLOURED) % MOST_COLOURED] as RGB;
}

/** Colour of an angle in degrees: an OKLCH wheel of even lightness and chroma. */
export function cyclic(degrees: number): RGB {
  return oklch(0.7, 0.12, degrees);
}

function oklch(lightness: number, chroma: number, degrees: number): RGB {
  const h = (degrees * Math.PI) / 180;
  const a = chroma * Math.cos(h);
  const b = chroma * Math.sin(h);
  // OKLab to linear sRGB (Ottosson 2020)
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((v) => {
    const c = Math.min(Math.max(v, 0), 1);
    return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
  }) as unknown as RGB;
}

export function css([r, g, b]: RGB, alpha = 1): string {
  return alpha === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${+alpha.toFixed(3)})`;
}

/** Relative luminance, WCAG 2. */
export function luminance(colour: RGB): number {
  const [r, g, b] = colour.map((v) => {
    const c = v / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** WCAG contrast of two colours, 1...21. */
export function contrast(a: RGB, b: RGB): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

// black and white, not softer: then one of the two always has a contrast over 4.5
const DARK_INK: RGB = [0, 0, 0];
const LIGHT_INK: RGB = [255, 255, 255];

/** The ink that reads best on an opaque background. */
export function inkOn(background: RGB): RGB {
  return contrast(background, DARK_INK) >= contrast(background, LIGHT_INK) ? DARK_INK : LIGHT_INK;
}
