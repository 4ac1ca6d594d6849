// The time code: a strip of black and white cells above the picture, the same as realtime/calls/strip.py: white, black,
// sixteen bits of milliseconds, six bits of a check sum, most significant first.

const CELLS = 24;
const BITS = 16;
const CHECK = 6;
const START = 0b101010;
const DIVISOR = 0b1000011;

/** Draw a moment (milliseconds) into the top rows of a canvas. */
export function draw(context, milliseconds, width, rows) {
  const value = milliseconds & ((1 << BITS) - 1);
  const bits = [1, 0];
  for (let n = BITS - 1; n >= 0; n -= 1) bits.push((value >> n) & 1);
  const sum = check(value);
  for (let n = CHECK - 1; n >= 0; n -= 1) bits.push((sum >> n) & 1);
  bits.forEach((bit, cell) => {
    const left = Math.round((cell * width) / CELLS);
    context.fillStyle = bit ? "#fff" : "#000";
    context.fillRect(left, 0, Math.round(((cell + 1) * width) / CELLS) - left, rows);
  });
}

/** Reads strips with a canvas of its own: the milliseconds, or null where a strip cannot be read. */
export class Reader {
  constructor() {
    const canvas = document.createElement("canvas");
    canvas.width = CELLS * 4;
    canvas.height = 4;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
  }

  /** picture: a video or canvas of width x height, whose part `share` (0..1) at the top is strip. */
  read(picture, width, height, share) {
    const rows = height * share;
    if (rows < 2 || width < 2 * CELLS) return null;
    this.context.drawImage(picture, 0, rows * 0.25, width, rows * 0.5, 0, 0, CELLS * 4, 4);
    const { data } = this.context.getImageData(0, 0, CELLS * 4, 4);
    const levels = [];
    for (let cell = 0; cell < CELLS; cell += 1) {
      let sum = 0;
      for (let y = 1; y < 3; y += 1) for (let x = 1; x < 3; x += 1) sum += data[(y * CELLS * 4 + cell * 4 + x) * 4 + 1];
      levels.push(sum / 4);
    }
    if (levels[0] - levels[1] < 40) return null;
    const limit = (levels[0] + levels[1]) / 2;
    let number = 0;
    for (const level of levels.slice(2)) number = (number << 1) | (level > limit ? 1 : 0);
    const value = number >> CHECK;
    return (number & ((1 << CHECK) - 1)) === check(value) ? value : null;
  }
}

/** Milliseconds from a code to now, through the sixteen bits' end. */
export function since(code, now) {
  return (((Math.round(now) - code) % (1 << BITS)) + (1 << BITS)) % (1 << BITS);
}

function check(value) {
  let sum = START;
  const push = (bit) => {
    sum = (sum << 1) | bit;
    if (sum & (1 << CHECK)) sum ^= DIVISOR;
  };
  for (let n = BITS - 1; n >= 0; n -= 1) push((value >> n) & 1);
  for (let n = 0; n < CHECK; n += 1) push(0);
  return sum;
}
