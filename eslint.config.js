import js from "@eslint/js";

export default [
  js.configs.recommended,
  {
    files: ["fastrtc_core/**/*.js"],
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "off", // the type checker knows the names that browsers have
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
