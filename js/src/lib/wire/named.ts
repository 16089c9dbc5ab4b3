// Values by names that people choose.

/** What is held under a name; nothing under one that all objects have, such as "constructor". */
export function named<T>(held: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(held, name) ? held[name] : undefined;
}
