"""k-reciprocal re-ranking written down plainly and densely from its description."""

import numpy as np


def reference_rerank(query_gallery, query_query, gallery_gallery, k1, k2, lambda_value, power=2):
    """(Q, G): Zhong et al. 2017, whole matrices and sets; distances are Euclidean."""
    queries = len(query_gallery)
    whole = np.block([[query_query, query_gallery], [query_gallery.T, gallery_gallery]])
    whole = np.power(whole, power).astype(np.float32)
    whole = (whole / whole.max(axis=1, keepdims=True)).astype(np.float32)
    order = np.argsort(whole, axis=1, kind="stable")
    count = len(whole)
    half = int(np.around(k1 / 2))

    def reciprocal(item, k):
        return {j for j in order[item, : k + 1].tolist() if item in order[j, : k + 1]}

    sets = [reciprocal(item, k1) for item in range(count)]
    halves = [reciprocal(item, half) for item in range(count)]
    encoding = np.zeros((count, count), np.float32)
    for item in range(count):
        grown = set(sets[item])
        for member in sets[item]:
            if len(halves[member] & sets[item]) > 2 / 3 * len(halves[member]):
                grown |= halves[member]
        members = sorted(grown)
        weights = np.exp(-whole[item, members])
        encoding[item, members] = weights / weights.sum()
    if k2 > 1:
        encoding = np.stack([encoding[order[item, :k2]].mean(axis=0) for item in range(count)])
    result = np.empty(query_gallery.shape, np.float32)
    for query in range(queries):
        smaller = np.zeros(count - queries, np.float32)
        for column in np.flatnonzero(encoding[query]):
            smaller += np.minimum(encoding[query, column], encoding[queries:, column])
        jaccard = 1 - smaller / (2 - smaller)
        result[query] = jaccard * (1 - lambda_value) + whole[query, queries:] * lambda_value
    return result
