/** Components that are drawn only when a property changed. */
import { Component } from '../vendor/preact.js';

export const memo = (inner) =>
  class extends Component {
    shouldComponentUpdate(next) {
      return Object.keys(next).some((name) => next[name] !== this.props[name]);
    }
    render() {
      return inner(this.props);
    }
  };
