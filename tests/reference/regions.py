"""Regions of masks, pixel by pixel: floods, walks along borders, and the shoelace formula."""

SIDES = [(0, 1), (1, 0), (0, -1), (-1, 0)]
AROUND = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]  # clockwise, rows go down


def flood(pixels, start, steps):
    """All pixels of the set that can be reached from one of them."""
    found, todo = {start}, [start]
    while todo:
        y, x = todo.pop()
        for dy, dx in steps:
            place = y + dy, x + dx
            if place in pixels and place not in found:
                found.add(place)
                todo.append(place)
    return found


def parts(pixels, steps):
    """The set cut into parts that hang together, in the order of their first pixels."""
    left, found = set(pixels), []
    for start in sorted(pixels):
        if start in left:
            found.append(flood(left, start, steps))
            left -= found[-1]
    return found


def walk(region):
    """The closed walk around a region, from its first pixel and clockwise, the outside always on the left."""
    start = min(region)
    place, heading, walked = start, 0, [start]
    first = None
    while True:
        for turn in range(8):
            # From what lies behind on the left, clockwise.
            direction = (heading + 5 + turn) % 8
            after = place[0] + AROUND[direction][0], place[1] + AROUND[direction][1]
            if after in region:
                break
        else:
            return walked
        if (place, direction) == first:
            return walked
        first = first or (place, direction)
        place, heading = after, direction
        walked.append(place)


def enclosed(region):
    """The area within the walk around a region, through the centers of pixels."""
    corners = walk(region)
    return sum(y * u - x * v for (y, x), (v, u) in zip(corners, corners[1:] + corners[:1], strict=True)) / -2


def split(mask):
    """The regions of a mask and its holes, as sets of pixels."""
    height, width = mask.shape
    inside = {(y, x) for y in range(height) for x in range(width) if mask[y, x]}
    others = {(y, x) for y in range(-1, height + 1) for x in range(-1, width + 1)} - inside
    return parts(inside, AROUND), [hole for hole in parts(others, SIDES) if (-1, -1) not in hole]


def box(pixels, shape, more=0):
    """(x0, y0, x1, y1), the far corner one beyond the last pixel but not beyond the picture."""
    rows, columns = [y for y, _ in pixels], [x for _, x in pixels]
    far = min(max(columns) + 1 + more, shape[1] - 1), min(max(rows) + 1 + more, shape[0] - 1)
    return [min(columns) - more, min(rows) - more, *far]


def every(mask):
    regions, holes = split(mask)
    found = [box(region, mask.shape) for region in regions] + [box(hole, mask.shape, 1) for hole in holes]
    return sorted(found) or [[0, 0, 0, 0]]


def largest(mask):
    regions, _ = split(mask)
    areas = [abs(enclosed(region)) for region in regions]
    chosen = [region for region, area in zip(regions, areas, strict=True) if area == max(areas)]
    return [box(chosen[-1], mask.shape)] if chosen else [[0, 0, 0, 0]]


def overlap(one, other):
    """Intersection over union of two boxes, pixel by pixel."""
    first, second = ({(y, x) for y in range(b[1], b[3] + 1) for x in range(b[0], b[2] + 1)} for b in (one, other))
    return len(first & second) / len(first | second)


def best_overlap(level, boxes, thresholds):
    found = []
    for threshold in thresholds:
        mask = level > int(threshold * int(level.max()))
        found.append(max(overlap(one, other) for one in every(mask) for other in boxes))
    return found
