/** What the demo shop sells. */

export interface Product {
  id: string;
  name: string;
  kind: "Light" | "Kitchen" | "Living" | "Desk";
  price: number;
  colours: [string, string];
  /** What stands in its picture of 200 × 200. */
  art: string;
  text: string;
}

export const PRODUCTS: Product[] = [
  {
    id: "lamp-arc",
    name: "Arc table lamp",
    kind: "Light",
    price: 89,
    colours: ["#f7e3c4", "#e9b872"],
    art: '<path d="M60 160h54" stroke="#4a3b2a" stroke-width="9" stroke-linecap="round"/><path d="M87 158V92c0-34 50-34 50-4" fill="none" stroke="#4a3b2a" stroke-width="6"/><path d="M110 112a27 27 0 0 1 54 0z" fill="#c0563b"/><circle cx="137" cy="116" r="8" fill="#fff3cf"/>',
    text: "A steel arm, a shade of spun copper, and a dimmer under your thumb. Reads well until two in the morning.",
  },
  {
    id: "lamp-globe",
    name: "Globe pendant",
    kind: "Light",
    price: 129,
    colours: ["#dfe7ef", "#a9bed2"],
    art: '<path d="M100 0v62" stroke="#38444f" stroke-width="3"/><rect x="90" y="58" width="20" height="14" rx="4" fill="#38444f"/><circle cx="100" cy="112" r="42" fill="#fffaf0" opacity=".92"/><circle cx="88" cy="98" r="12" fill="#fff"/>',
    text: "Mouth-blown opal glass on three metres of woven cord. Hangs over tables, sinks and good conversations.",
  },
  {
    id: "mug-stone",
    name: "Stoneware mug",
    kind: "Kitchen",
    price: 18,
    colours: ["#e5ebe2", "#b4c6ad"],
    art: '<path d="M62 78h66v58a18 18 0 0 1-18 18H80a18 18 0 0 1-18-18z" fill="#f8f5ee"/><path d="M128 92h10a14 14 0 0 1 0 36h-10" fill="none" stroke="#f8f5ee" stroke-width="9"/><path d="M62 78h66v16H62z" fill="#6f8a68"/><path d="M82 64c-6-10 6-14 0-24M106 64c-6-10 6-14 0-24" fill="none" stroke="#fff" stroke-width="4" stroke-linecap="round"/>',
    text: "Thrown by hand, glazed in moss. Holds three decilitres, and the heat of all of them.",
  },
  {
    id: "board-oak",
    name: "Oak serving board",
    kind: "Kitchen",
    price: 42,
    colours: ["#f3e6d6", "#d8b48a"],
    art: '<g transform="rotate(-24 100 100)"><rect x="70" y="48" width="60" height="112" rx="18" fill="#a8713f"/><rect x="90" y="22" width="20" height="36" rx="9" fill="#a8713f"/><circle cx="100" cy="34" r="4" fill="#f3e6d6"/><path d="M84 68c8 26 2 50 6 78M108 62c-6 30 4 54-2 84" stroke="#8a5a30" stroke-width="3" fill="none"/></g>',
    text: "One piece of European oak, oiled four times. Bread on one side, cheese on the other.",
  },
  {
    id: "chair-loop",
    name: "Loop armchair",
    kind: "Living",
    price: 349,
    colours: ["#f1dcd6", "#d99c8b"],
    art: '<path d="M54 112c0-44 20-62 46-62s46 18 46 62" fill="#8f3f34"/><rect x="48" y="104" width="104" height="36" rx="18" fill="#b3574a"/><path d="M66 140l-8 30M134 140l8 30" stroke="#4a2a22" stroke-width="7" stroke-linecap="round"/>',
    text: "A bent frame that gives a little, wool that does not. Delivered in one piece, by two people.",
  },
  {
    id: "throw-wool",
    name: "Wool throw",
    kind: "Living",
    price: 75,
    colours: ["#e2e3f0", "#a7abd0"],
    art: '<g transform="rotate(8 100 100)"><rect x="52" y="56" width="96" height="84" rx="8" fill="#f4f2ea"/><path d="M52 76h96M52 98h96M52 120h96" stroke="#585d94" stroke-width="6"/><path d="M58 140v14M74 140v14M90 140v14M106 140v14M122 140v14M138 140v14" stroke="#585d94" stroke-width="4" stroke-linecap="round"/></g>',
    text: "Spun from the wool of one valley. Large enough for two people and a film.",
  },
  {
    id: "desk-tray",
    name: "Cork desk tray",
    kind: "Desk",
    price: 29,
    colours: ["#f0e2cf", "#c89f70"],
    art: '<rect x="40" y="92" width="120" height="52" rx="14" fill="#b98655"/><rect x="50" y="100" width="100" height="36" rx="9" fill="#8c6038"/><rect x="62" y="74" width="8" height="52" rx="4" fill="#2f5d50" transform="rotate(18 66 100)"/><rect x="86" y="70" width="8" height="56" rx="4" fill="#d9a441" transform="rotate(-8 90 98)"/><circle cx="126" cy="118" r="10" fill="#e8e2d8"/>',
    text: "Pressed from what bottles leave over. For pens, keys and the coins of three countries.",
  },
  {
    id: "note-linen",
    name: "Linen notebook",
    kind: "Desk",
    price: 16,
    colours: ["#d9e9e7", "#8fbab4"],
    art: '<g transform="rotate(-10 100 100)"><rect x="64" y="46" width="76" height="108" rx="6" fill="#235a55"/><rect x="70" y="46" width="8" height="108" fill="#184440"/><rect x="90" y="68" width="36" height="18" rx="3" fill="#f4efe3"/><path d="M118 154v18l6-6 6 6v-18" fill="#d9603b"/></g>',
    text: "192 pages that lie flat, bound in linen. The first page is always the hardest; there are 191 others.",
  },
];

export function picture({ id, colours, art, name }: Product): string {
  return `<svg class="art" viewBox="0 0 200 200" role="img" aria-label="${name}">
    <defs><linearGradient id="g-${id}" x2="1" y2="1"><stop stop-color="${colours[0]}"/><stop offset="1" stop-color="${colours[1]}"/></linearGradient></defs>
    <rect width="200" height="200" fill="url(#g-${id})"/>
    <ellipse cx="100" cy="164" rx="62" ry="9" fill="#000" opacity=".1"/>${art}</svg>`;
}
