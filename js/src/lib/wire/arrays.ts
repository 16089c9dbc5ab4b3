// Binary traits (views/kit/arrays.py) as typed arrays.

/** What an `Array` trait looks like when it arrives. */
export interface WireArray {
  dtype: string;
  shape: number[];
  data: DataView | ArrayBuffer | ArrayBufferView;
}

export type Numbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

const KINDS = {
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
} as const;

/** One half-precision number from its 16 bits. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;

function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, bits) => half(bits));
  return halves;
}

/**
 * The bytes as an aligned typed array. A view into a larger message is read from its own
 * byteOffset, and copied only where the offset does not fit the element size.
 */
function aligned<T extends Numbers>(
  Kind: { new (b: ArrayBufferLike, o: number, n: number): T; BYTES_PER_ELEMENT: number },
  data: WireArray["data"],
): T {
  const view = data instanceof ArrayBuffer ? new DataView(data) : data;
  const size = Kind.BYTES_PER_ELEMENT;
  const length = Math.floor(view.byteLength / size);
  if (view.byteOffset % size === 0) return new Kind(view.buffer, view.byteOffset, length);
  const copy = view.buffer.slice(view.byteOffset, view.byteOffset + length * size);
  return new Kind(copy, 0, length);
}

/** Decode an `Array` trait. Half floats become a Float32Array. */
export function decode(wire: WireArray | null | undefined): Numbers {
  if (!wire?.data) return new Uint8Array(0);
  const code = wire.dtype.slice(-2);
  if (code === "f2") {
    const table = halfTable();
    return Float32Array.from(aligned(Uint16Array, wire.data), (bits) => table[bits] as number);
  }
  const Kind = KINDS[code as keyof typeof KINDS];
  if (!Kind) throw new Error(`array of dtype ${wire.dtype} cannot be read here`);
  return aligned<Numbers>(Kind as never, wire.data);
}

/** The length of one axis, 0 when nothing has arrived. */
export function axis(wire: WireArray | null | undefined, i: number): number {
  return wire?.shape?.[i] ?? 0;
}

/** Encode, for tests and for traits set from the browser. */
export function encode(numbers: Numbers, shape: number[] = [numbers.length]): WireArray {
  const name = Object.entries(KINDS).find(([, Kind]) => numbers instanceof Kind)?.[0] ?? "u1";
  const data = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return { dtype: `${name.endsWith("1") ? "|" : "<"}${name}`, shape, data };
}

/** Whether bit `i` is set in rows packed by numpy.packbits (most significant bit first). */
export function bit(packed: Uint8Array, i: number): boolean {
  return (((packed[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) === 1;
}
