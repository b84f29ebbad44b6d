/** What every view is made of. */
export * from './api.js';
export * from './parts/actions.js';
export * from './parts/answer.js';
export * from './parts/pieces.js';
export * from './pure/command.js';
export * from './pure/words.js';
export * from './route.js';
export * from './state.js';
export { useEffect, useMemo, useRef, useState } from './vendor/hooks.js';
