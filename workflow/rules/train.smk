# One run a job, shared by every study that declares it. The checkpoint lies beside the outputs and is none of them:
# Snakemake deletes outputs before it starts a job again, and a killed run goes on from its checkpoint.


rule train:
    input:
        store="<stores>/{dataset}.zarr",
        manifest="<stores>/{dataset}.manifest.json",
        encoder=encoder_of,
    output:
        metrics="<results>/runs/{dataset}/{model}/{run}/metrics.json",
        settings="<results>/runs/{dataset}/{model}/{run}/run.yaml",
        stats="<results>/runs/{dataset}/{model}/{run}/stats.csv",
        epochs="<results>/runs/{dataset}/{model}/{run}/per_epoch_stats.csv",
        system="<results>/runs/{dataset}/{model}/{run}/system_stats.csv",
    log:
        "<logs>/train/{dataset}/{model}/{run}.log",
    benchmark:
        "<benchmarks>/train/{dataset}/{model}/{run}.tsv"
    conda:
        "../envs/stgnn.yaml"
    threads: threads_to_train
    resources:
        **asked(to_train),
    params:
        folder=subpath(output.metrics, parent=True),
        settings=lambda wildcards: run_of(wildcards).json,
        code=lambda wildcards: CODE[code_key(run_of(wildcards))],
    message:
        "Train {wildcards.model} on {wildcards.dataset}, {wildcards.run} (progress: {log})"
    shell:
        # Snakemake's counts are the whole job's; these are one worker's.
        'export {{OMP,MKL,OPENBLAS}}_NUM_THREADS="$STGNN_THREADS"; eval "$STGNN_SETUP"; '
        "logged {log} python -m stgnn train --settings {params.settings:q} --store {input.store:q} --out {params.folder:q}"
        ' ${{STGNN_INTERFACE:+--interface "$STGNN_INTERFACE"}} ${{STGNN_SCRATCH:+--scratch "$STGNN_SCRATCH"}}'
        " ${{STGNN_IN_JOB:+--runtime {resources.runtime}}}"
