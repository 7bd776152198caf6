/** The shop's pages as HTML. All text is the shop's own but what `safe` has been through. */

import { lines, total } from "./basket";
import { money, picture, PRODUCTS, type Product } from "./products";

export interface View {
  title: string;
  html: string;
}

const SIGNS: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export const safe = (text: string) => text.replace(/[&<>"]/g, (sign) => SIGNS[sign] ?? "");

const card = (product: Product) => `
  <article class="card" data-item-id="${product.id}">
    <a href="/demo/item/${product.id}" data-track="product_card" data-link>${picture(product)}
      <h3>${product.name}</h3></a>
    <div class="row"><span class="price">${money(product.price)}</span>
      <button class="small" data-add="${product.id}" data-track="add_to_basket">Add</button></div>
  </article>`;

const grid = (products: Product[]) => `<div class="grid">${products.map(card).join("")}</div>`;

export function home(): View {
  const html = `
    <section class="hero"><div><p class="eyebrow">Autumn at home</p>
      <h1>Things that stay<br>when trends go.</h1>
      <p>Lamps, chairs and small pleasures, made by people whose names we know.</p>
      <a class="button" href="#all" data-track="hero">See the collection</a></div>
      <div class="hero-art">${PRODUCTS.slice(0, 1).map(picture).join("")}${PRODUCTS.slice(4, 5).map(picture).join("")}</div></section>
    <section id="all"><header class="row"><h2>The collection</h2>
      <nav class="kinds">${["Light", "Kitchen", "Living", "Desk"].map((kind) => `<a href="/demo/search?q=${kind}" data-link data-track="kind">${kind}</a>`).join("")}</nav></header>
      ${grid(PRODUCTS)}</section>
    <section class="story"><div><h2>Made to be mended</h2>
      <p>Every piece comes with the address of its workshop. A shade that cracked, a seam that gave: write to us, and we send the part and say how.</p></div>
      <ul><li><b>30 days</b> to change your mind</li><li><b>10 years</b> of spare parts</li><li><b>41 workshops</b> in six countries</li></ul></section>
    <section class="letter"><h2>Four letters a year</h2><p>New pieces, and what became of old ones.</p>
      <form id="newsletter"><input type="email" name="email" placeholder="you@example.org" required aria-label="E-mail">
      <button>Subscribe</button></form></section>`;
  return { title: "Lumen & Oak", html };
}

export function item(product: Product): View {
  const others = PRODUCTS.filter((other) => other.id !== product.id).slice(0, 4);
  const html = `
    <section class="product" data-item-id="${product.id}">${picture(product)}
      <div><p class="eyebrow">${product.kind}</p><h1>${product.name}</h1>
        <p class="price large">${money(product.price)}</p><p>${product.text}</p>
        <button class="button" data-add="${product.id}" data-track="add_to_basket">Add to basket</button>
        <details><summary>Delivery and returns</summary><p>Two to four days, free above €50. Thirty days to send it back.</p></details>
        <details><summary>Materials and care</summary><p>A dry cloth for dust, a damp one for the rest.</p></details></div></section>
    <section><h2>Goes well with</h2>${grid(others)}</section>`;
  return { title: `${product.name} · Lumen & Oak`, html };
}

export function search(query: string): View {
  const sought = query.toLowerCase();
  const found = PRODUCTS.filter(({ name, kind, text }) => `${name} ${kind} ${text}`.toLowerCase().includes(sought));
  const html = `<section><h1>${found.length ? `“${safe(query)}”` : `Nothing like “${safe(query)}”`}</h1>
    ${grid(found.length ? found : PRODUCTS.slice(0, 4))}</section>`;
  return { title: "Search · Lumen & Oak", html };
}

export function basket(): View {
  const rows = lines().map(
    ({ product, quantity }) => `<li data-item-id="${product.id}">${picture(product)}
      <div><b>${product.name}</b><span>${quantity} × ${money(product.price)}</span></div>
      <button class="quiet" data-remove="${product.id}" data-track="remove">Remove</button></li>`,
  );
  const full = `<ul class="basket">${rows.join("")}</ul><p class="row total"><span>Total</span><b>${money(total())}</b></p>
    <a class="button" href="/demo/checkout" data-link data-track="checkout">To the checkout</a>`;
  const none = `<p>There is nothing in it yet.</p><a class="button" href="/demo/" data-link>To the collection</a>`;
  return { title: "Basket · Lumen & Oak", html: `<section class="narrow"><h1>Basket</h1>${rows.length ? full : none}</section>` };
}

const field = (name: string, label: string, more = "") =>
  `<label>${label}<input name="${name}" required ${more}></label>`;

export function checkout(): View {
  const html = `<section class="narrow"><h1>Checkout</h1>
    <p class="hint">A demonstration: nothing is sold. Type what you like; no value of a field ever leaves your browser.</p>
    <form id="checkout" class="fields">${field("name", "Name", 'autocomplete="name"')}${field("email", "E-mail", 'type="email" autocomplete="email"')}
    ${field("address", "Address", 'autocomplete="street-address"')}${field("card", "Card number", 'inputmode="numeric" placeholder="4111 1111 1111 1111"')}
    <label>A note to the workshop<textarea name="note" rows="3"></textarea></label>
    <button class="button" data-track="pay">Pay ${money(total())}</button></form></section>`;
  return { title: "Checkout · Lumen & Oak", html };
}

export function thanks(): View {
  const html = `<section class="narrow"><h1>Thank you.</h1><p>Your order exists in this demonstration only. What the collector made of it:</p>
    <p><a class="button" href="/demo/live">What was received</a></p></section>`;
  return { title: "Thank you · Lumen & Oak", html };
}
