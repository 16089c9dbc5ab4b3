// The build turns style sheets and shaders into strings (build.mjs).
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.frag" {
  const text: string;
  export default text;
}
declare module "*.vert" {
  const text: string;
  export default text;
}
