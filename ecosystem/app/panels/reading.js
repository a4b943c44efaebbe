// What panels to read share: marks of what happened, numbers, and texts that open.
const MARKS = {
  form: "M-4.6,0a4.6,4.6 0 1,0 9.2,0a4.6,4.6 0 1,0 -9.2,0Z",
  join: "M0,-5L5.2,4.2H-5.2Z",
  leave: "M0,5L5.2,-4.2H-5.2Z",
  move: "M-5.6,-1.7H0.6V-5.2L5.8,0L0.6,5.2V1.7H-5.6Z",
  merge: "M-1.8,-5.2h3.6v3.4h3.4v3.6h-3.4v3.4h-3.6v-3.4h-3.4v-3.6h3.4Z",
  split: "M0,-5.6L5.6,0L0,5.6L-5.6,0Z",
  dissolve: "M-3.7,-5.6L0,-1.9L3.7,-5.6L5.6,-3.7L1.9,0L5.6,3.7L3.7,5.6L0,1.9L-3.7,5.6L-5.6,3.7L-1.9,0L-5.6,-3.7Z",
  intervention: "M-3.6,6V-5.4H5L2.8,-2.4L5,0.6H-3.6",
};

const reading = {
  data: () => ({ open: {}, cut: {}, more: {} }),
  methods: {
    mark: (kind) => MARKS[kind],
    signed(value) {
      if (value === null) return "–";
      const text = Math.abs(value).toFixed(2);
      return Number(text) === 0 ? "0.00" : (value > 0 ? "+" : "−") + text;
    },
    toggle(what, key) { this.$set(this[what], key, !this[what][key]); },
    // Which texts are cut short, so that there is more to show of them.
    measure() {
      for (const text of this.$el.querySelectorAll ? this.$el.querySelectorAll("[data-text]") : []) {
        const key = text.dataset.text;
        if (this.open[key] || !text.clientHeight) continue;
        const cut = text.scrollHeight > text.clientHeight + 2;
        if (cut !== !!this.cut[key]) this.$set(this.cut, key, cut);
      }
    },
  },
  mounted() {
    this.measure();
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(this.$el);
  },
  updated() { this.measure(); },
  destroyed() { if (this.sizes) this.sizes.disconnect(); },
};
