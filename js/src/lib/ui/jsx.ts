// What JSX becomes in the bundles (build.mjs injects it; tests use the automatic runtime).
export { Fragment, h } from "preact";
