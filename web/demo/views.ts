/** The shop's pages as HTML. All text is the shop's own but what `safe` has been through. */

import { lines, total } from "./basket";
import { safe, type Catalogue, type Item } from "./catalogue";

export interface View {
  title: string;
  html: string;
  /** The product that the page is of. */
  item?: Item;
}

export class Views {
  /** `isPersonal`: whether pages have slots, which an API fills. */
  constructor(
    private readonly catalogue: Catalogue,
    private readonly isPersonal: boolean,
    private readonly name: string,
  ) {}

  async home(): Promise<View> {
    const items = await this.catalogue.first();
    const html = `${this.isPersonal ? slotHero : hero(items)}
    ${this.isPersonal ? slotPicks("Bestsellers", items.slice(0, 8), this.card) : ""}
    <section id="all"><header class="row"><h2>The collection</h2>
      <nav class="kinds">${this.catalogue.kinds.map((kind) => `<a href="/demo/search?q=${kind}" data-link data-track="kind">${kind}</a>`).join("")}</nav></header>
      ${this.grid(items)}</section>${this.isPersonal ? "" : story}${letter}`;
    return { title: this.name, html };
  }

  async item(item: Item): Promise<View> {
    const others = (await this.catalogue.first()).filter((other) => other.id !== item.id);
    const beside = this.isPersonal
      ? slotPicks("Goes well with", others.slice(0, 8), this.card)
      : `<section><h2>Goes well with</h2>${this.grid(others.slice(0, 4))}</section>`;
    const html = `
    <section class="product" data-item-id="${safe(item.id)}">${item.picture}
      <div><p class="eyebrow">${safe(item.kind)}</p><h1>${safe(item.name)}</h1>
        <p class="price large">${this.price(item)}</p><p>${safe(item.text)}</p>
        <button class="button" data-add="${safe(item.id)}" data-track="add_to_basket">Add to basket</button>
        <details><summary>Delivery and returns</summary><p>Two to four days, free above 50. Thirty days to send it back.</p></details>
        <details><summary>Materials and care</summary><p>A dry cloth for dust, a damp one for the rest.</p></details></div></section>
    ${beside}`;
    return { title: `${item.name} · ${this.name}`, html, item };
  }

  async search(query: string): Promise<View> {
    const found = await this.catalogue.search(query);
    const shown = found.length ? found : (await this.catalogue.first()).slice(0, 4);
    const html = `<section><h1>${found.length ? `“${safe(query)}”` : `Nothing like “${safe(query)}”`}</h1>
    ${this.grid(shown)}</section>`;
    return { title: `Search · ${this.name}`, html };
  }

  async basket(): Promise<View> {
    const rows = lines().map(
      ({ item, quantity }) => `<li data-item-id="${safe(item.id)}">${item.picture}
      <div><b>${safe(item.name)}</b><span>${quantity} × ${this.price(item)}</span></div>
      <button class="quiet" data-remove="${safe(item.id)}" data-track="remove">Remove</button></li>`,
    );
    const full = `<ul class="basket">${rows.join("")}</ul><p class="row total"><span>Total</span><b>${this.catalogue.money(total())}</b></p>
    <a class="button" href="/demo/checkout" data-link data-track="checkout">To the checkout</a>`;
    const none = `<p>There is nothing in it yet.</p><a class="button" href="/demo/" data-link>To the collection</a>`;
    return { title: `Basket · ${this.name}`, html: `<section class="narrow"><h1>Basket</h1>${rows.length ? full : none}</section>` };
  }

  async checkout(): Promise<View> {
    const html = `<section class="narrow"><h1>Checkout</h1>
    <p class="hint">A demonstration: nothing is sold. Type what you like; no value of a field ever leaves your browser.</p>
    <form id="checkout" class="fields">${field("name", "Name", 'autocomplete="name"')}${field("email", "E-mail", 'type="email" autocomplete="email"')}
    ${field("address", "Address", 'autocomplete="street-address"')}${field("card", "Card number", 'inputmode="numeric" placeholder="4111 1111 1111 1111"')}
    <label>A note to the workshop<textarea name="note" rows="3"></textarea></label>
    <button class="button" data-track="pay">Pay ${this.catalogue.money(total())}</button></form></section>`;
    return { title: `Checkout · ${this.name}`, html };
  }

  async thanks(): Promise<View> {
    const html = `<section class="narrow"><h1>Thank you.</h1><p>Your order exists in this demonstration only. What the collector made of it:</p>
    <p><a class="button" href="/demo/live">What was received</a></p></section>`;
    return { title: `Thank you · ${this.name}`, html };
  }

  private readonly price = ({ price }: Item) => (price ? this.catalogue.money(price) : "");

  private readonly card = (item: Item) => `
  <article class="card" data-item-id="${safe(item.id)}">
    <a href="/demo/item/${encodeURIComponent(item.id)}" data-track="product_card" data-link>${item.picture}
      <h3>${safe(item.name)}</h3></a>
    <div class="row"><span class="price">${this.price(item)}</span>
      <button class="small" data-add="${safe(item.id)}" data-track="add_to_basket">Add</button></div>
  </article>`;

  private grid(items: Item[]): string {
    return `<div class="grid">${items.map(this.card).join("")}</div>`;
  }
}

/** What the API puts into the page is content with a list below it; until then, and without it, this. */
const slotHero = `
    <div data-sp-slot="hero"><section class="hero"><h2>Gifts from a small English shop</h2>
      <p>Four thousand things, each with its real title.</p></section></div>`;

const slotPicks = (title: string, items: Item[], card: (item: Item) => string) => `
    <section data-sp-slot="picks"><div data-sp-body><h3>${title}</h3></div>
      <div class="strip"><template data-sp-item><article class="card">
        <a href="/demo/item/{item_id}" data-track="product_card" data-link><img class="art" src="/demo/api/pictures/{item_id}" width="200" height="200" alt="">
          <h3>{title}</h3></a>
        <div class="row"><span class="price"></span><button class="small" data-add="{item_id}" data-track="add_to_basket">Add</button></div>
      </article></template>${items.map(card).join("")}</div></section>`;

const hero = (items: Item[]) => `
    <section class="hero"><div><p class="eyebrow">Autumn at home</p>
      <h1>Things that stay<br>when trends go.</h1>
      <p>Lamps, chairs and small pleasures, made by people whose names we know.</p>
      <a class="button" href="#all" data-track="hero">See the collection</a></div>
      <div class="hero-art">${items[0]?.picture ?? ""}${items[4]?.picture ?? ""}</div></section>`;

const story = `
    <section class="story"><div><h2>Made to be mended</h2>
      <p>Every piece comes with the address of its workshop. A shade that cracked, a seam that gave: write to us, and we send the part and say how.</p></div>
      <ul><li><b>30 days</b> to change your mind</li><li><b>10 years</b> of spare parts</li><li><b>41 workshops</b> in six countries</li></ul></section>`;

const letter = `
    <section class="letter"><h2>Four letters a year</h2><p>New pieces, and what became of old ones.</p>
      <form id="newsletter"><input type="email" name="email" placeholder="you@example.org" required aria-label="E-mail">
      <button>Subscribe</button></form></section>`;

const field = (name: string, label: string, more = "") =>
  `<label>${label}<input name="${name}" required ${more}></label>`;
