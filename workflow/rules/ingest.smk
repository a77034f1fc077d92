# Raw files -> one Zarr store a dataset. The manifest is written last: what stands beside it is whole.


rule ingest:
    input:
        raw_files_of,
    output:
        store=directory("<stores>/{dataset}.zarr"),
        manifest="<stores>/{dataset}.manifest.json",
    log:
        "<logs>/ingest/{dataset}.log",
    benchmark:
        "<benchmarks>/ingest/{dataset}.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        **asked(to_prepare),
    params:
        raw=lambda wildcards, input: Path(input[0]).parents[1],
        identity=store_identity,
        code=lambda wildcards: ingest_fingerprint(STUDY.datasets[wildcards.dataset].reader),
    message:
        "Ingest {wildcards.dataset} (progress: {log})"
    shell:
        "logged {log} python -m stgnn ingest {wildcards.dataset} --raw {params.raw:q} --store {output.store:q}"
