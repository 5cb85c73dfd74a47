import { component } from "./lifecycle.js"
class DeepZoom { constructor() {} update() {} destroy() {} }
export default component(DeepZoom)
