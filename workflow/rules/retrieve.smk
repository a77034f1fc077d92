# Raw files: downloaded, copied from the mirror, or written by the generator of a synthetic dataset.


localrules:
    retrieve,  # compute nodes have no internet


rule retrieve:
    input:
        own_file,
    output:
        "<raw>/{raw_file}",
    log:
        "<logs>/retrieve/{raw_file}.log",
    benchmark:
        "<benchmarks>/retrieve/{raw_file}.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        mem_mb=500,
        runtime=240,
    params:
        dataset=lambda wildcards: dataset_of(wildcards),
        file=lambda wildcards: file_of(wildcards),
        identity=raw_file_identity,
    message:
        "Retrieve {wildcards.raw_file} (progress: {log})"
    shell:
        "logged {log:q} python -m stgnn retrieve {params.dataset} --file {params.file:q}"
        ' --raw "$(dirname "$(dirname {output:q})")" ${{STGNN_MIRROR:+--mirror "$STGNN_MIRROR"}}'
