"""ONNX networks with drawn weights, as the tests of reading them take them."""
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 6


class Network:
    """A graph that grows: each method adds a node and returns the name of its output."""
    def __init__(self, seed=1, side=None, last=False, opset=17):
        self.random = numpy.random.default_rng(seed)
        self.nodes, self.tensors, self.opset = [], [], opset
        sides = [side or "height", side or "width"]
        shape = ["batch", *sides, 3] if last else ["batch", 3, *sides]
        self.input = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)
        self.x = "pixels"
        self.channels = {"pixels": 3}

    def tensor(self, values, dtype=numpy.float32):
        name = "tensor%d" % len(self.tensors)
        self.tensors.append(numpy_helper.from_array(numpy.asarray(values, dtype), name))
        return name

    def add(self, kind, inputs, channels=None, **attributes):
        name = "%s_%d" % (kind, len(self.nodes))
        inputs = [inputs] if isinstance(inputs, str) else list(inputs)
        self.nodes.append(helper.make_node(kind, inputs, [name], name="node/" + name, **attributes))
        known = [self.channels[x] for x in inputs if self.channels.get(x)]
        self.channels[name] = channels or (known[0] if known else None)
        return name

    def conv(self, x, channels, kernel=3, stride=1, bias=True, dtype=numpy.float32, **attributes):
        """With pads of half the filter unless others are given."""
        inputs, pad = self.channels[x], kernel // 2
        shape = (channels, inputs // attributes.get("group", 1), kernel, kernel)
        weights = self.random.normal(0, (1.5 / (shape[1] * kernel ** 2)) ** 0.5, shape)
        names = [x, self.tensor(weights, dtype)]
        if bias:
            names.append(self.tensor(self.random.normal(0, 0.1, channels), dtype))
        if dtype != numpy.float32:
            names[1:] = [self.add("Cast", name, to=TensorProto.FLOAT) for name in names[1:]]
        attributes.setdefault("pads", [pad] * 4)
        return self.add("Conv", names, channels, kernel_shape=[kernel] * 2, strides=[stride] * 2,
                        **attributes)

    def transposed(self, x, channels, kernel=2, bias=True):
        inputs = self.channels[x]
        weights = self.random.normal(0, (1 / inputs) ** 0.5, (inputs, channels, kernel, kernel))
        names = [x, self.tensor(weights)]
        if bias:
            names.append(self.tensor(self.random.normal(0, 0.1, channels)))
        return self.add("ConvTranspose", names, channels, kernel_shape=[kernel] * 2, strides=[2, 2])

    def norm(self, x, epsilon=1e-5):
        count = self.channels[x]
        draw = self.random.normal
        return self.add("BatchNormalization", [
            x, self.tensor(1 + draw(0, 0.2, count)), self.tensor(draw(0, 0.2, count)),
            self.tensor(draw(0, 0.2, count)), self.tensor(0.4 + numpy.abs(draw(0, 0.6, count)))],
            epsilon=epsilon)

    def relu(self, x):
        return self.add("Relu", x)

    def pool(self, x, kernel=2, stride=2, pad=0, kind="MaxPool", **attributes):
        return self.add(kind, x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
                        **attributes)

    def concat(self, *names):
        return self.add("Concat", names, sum(self.channels[name] for name in names), axis=1)

    def twice(self, x, **attributes):
        attributes = attributes or dict(mode="nearest", nearest_mode="floor",
                                        coordinate_transformation_mode="asymmetric")
        region = "" if self.opset >= 13 else self.tensor([])
        return self.add("Resize", [x, region, self.tensor([1, 1, 2, 2])], **attributes)

    def save(self, path, output, **metadata):
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "drawn", [self.input], [value], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)],
                                  ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, str(path))
        return path


def residual(network, width=8):
    """As ResNet encoders under a U-Net: overlapping windows, sums, strides, 1 x 1 shortcuts."""
    n = network
    stem = n.relu(n.norm(n.conv(n.x, width, kernel=7, stride=2, bias=False)))
    x = n.pool(stem, kernel=3, stride=2, pad=1)
    inner = n.norm(n.conv(n.relu(n.norm(n.conv(x, width, bias=False))), width, bias=False))
    first = n.relu(n.add("Add", [inner, x]))
    x = n.relu(n.norm(n.conv(first, 2 * width, stride=2, bias=False)))
    shortcut = n.norm(n.conv(first, 2 * width, kernel=1, stride=2, bias=False))
    x = n.relu(n.add("Add", [n.norm(n.conv(x, 2 * width, bias=False)), shortcut]))
    for skip in (first, stem, None):
        x = n.twice(x)
        x = n.concat(x, skip) if skip else x
        x = n.relu(n.norm(n.conv(x, width, bias=False)))
    return n.add("Softmax", n.conv(x, CLASSES), axis=1)


def inverted_residual(network, width=8, expansion=4):
    """As MobileNetV2 encoders under a U-Net: narrow images, each block of which is widened, filtered
    channel by channel and narrowed again, and added where it has the same shape."""
    n = network

    def relu6(x):
        return n.add("Clip", [x, n.tensor(0.0), n.tensor(6.0)])

    def block(x, channels, stride=1):
        wide = expansion * n.channels[x]
        y = relu6(n.norm(n.conv(x, wide, kernel=1, bias=False)))
        y = relu6(n.norm(n.conv(y, wide, stride=stride, bias=False, group=wide)))
        y = n.norm(n.conv(y, channels, kernel=1, bias=False))
        return n.add("Add", [x, y]) if stride == 1 and channels == n.channels[x] else y

    x = relu6(n.norm(n.conv(n.x, width, stride=2, bias=False)))
    skips = [None, block(x, width)]
    for channels in (2 * width, 3 * width):
        x = block(block(skips[-1], channels, stride=2), channels)
        skips.append(x)
    x = skips.pop()
    for skip in reversed(skips):
        x = n.twice(x)
        x = n.concat(x, skip) if skip else x
        x = n.relu(n.conv(n.conv(x, n.channels[x], group=n.channels[x]), width, kernel=1))
    return n.add("Softmax", n.conv(x, CLASSES), axis=1)


def unet(network, width=4, depth=2, up="transpose", norm=False, skip_first=False, epsilon=1e-5):
    """A U-Net as others write it: names of its own, biases before normalisations."""
    n = network

    def block(x, channels):
        for _ in range(2):
            x = n.conv(x, channels)
            x = n.relu(n.norm(x, epsilon) if norm else x)
        return n.add("Dropout", x)

    x, skips = n.x, []
    for level in range(depth):
        skips.append(block(x, width << level))
        x = n.pool(skips[-1])
    x = block(x, width << depth)
    for level in reversed(range(depth)):
        if up == "transpose":
            x = n.transposed(x, width << level)
        else:
            x = n.conv(n.twice(x, mode="linear" if up == "bilinear" else "nearest"), width << level)
        x = block(n.concat(skips[level], x) if skip_first else n.concat(x, skips[level]),
                  width << level)
    return n.conv(x, CLASSES, kernel=1)
