// The build turns style sheets into strings (build.mjs).
declare module "*.css" {
  const text: string;
  export default text;
}
