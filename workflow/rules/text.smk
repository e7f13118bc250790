# Texts for the Receiver: a description per class, and vectors of words or, by an encoder, of descriptions. Also the attributes of classes.
#
# In:  the class set, WordNet 3.0, a file of word vectors, a list of stop words, an encoder; or a given descriptions.csv; a table of attributes.
# Out: results/<e>/: descriptions.csv, words.hdf5, words_missing.tsv, attributes.tsv;
#      resources/words and resources/wordnet: downloads.


if VALUES.from_images:

    rule build_descriptions:
        input:
            funnel=VALUES.classes_if_dropped(),
        output:
            descriptions=result("descriptions.csv"),
        log:
            f"{LOGS}/build_descriptions.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=60,
            net=1,
        params:
            classes=VALUES.class_table("name", "wnid", "domain", "description"),
            wordnet=CONFIG["descriptions"]["wordnet"],
            content=VALUES.wordnet_digest(),
            gloss=CONFIG["descriptions"]["gloss"],
            code=code("build_descriptions"),
        message:
            "Describing the classes"
        script:
            "../scripts/build_descriptions.py"

else:

    rule import_descriptions:
        input:
            descriptions=CONFIG["source"]["features"]["descriptions"],
        output:
            descriptions=result("descriptions.csv"),
        log:
            f"{LOGS}/import_descriptions.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            content=content_digest(CONFIG["source"]["features"]["descriptions"]),
            code=code("import_descriptions"),
        message:
            "Importing the descriptions"
        script:
            "../scripts/import_descriptions.py"


if VALUES.has_encoder:

    rule encode_descriptions:
        input:
            descriptions=result("descriptions.csv"),
            evaluation=VALUES.evaluation_descriptions(),
        output:
            words=result("words.hdf5"),
            missing=result("words_missing.tsv"),
        log:
            f"{LOGS}/encode_descriptions.log",
        benchmark:
            f"{BENCHMARKS}/encode_descriptions.tsv"
        localrule: True
        conda:
            "../../envs/encoders.yaml"
        # With one thread, vectors do not depend on the number of cores.
        threads: 1
        resources:
            mem_mb=4000,
            runtime=120,
            net=1,
        params:
            encoder=CONFIG["descriptions"]["encoder"],
            content=VALUES.encoder_digest(),
            code=code("encode_descriptions"),
        message:
            "Encoding the descriptions"
        script:
            "../scripts/encode_descriptions.py"

else:

    rule embed_words:
        input:
            descriptions=result("descriptions.csv"),
            evaluation=VALUES.evaluation_descriptions(),
            stop_words=VALUES.stop_words_file(),
        output:
            words=result("words.hdf5"),
            missing=result("words_missing.tsv"),
        log:
            f"{LOGS}/embed_words.log",
        benchmark:
            f"{BENCHMARKS}/embed_words.tsv"
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=60,
            net=1,
        params:
            words=CONFIG["words"],
            content=VALUES.texts_digest(),
            folder=WORDS_FOLDER,
            code=code("embed_words"),
        message:
            "Reading the word vectors"
        script:
            "../scripts/embed_words.py"


if VALUES.has_attributes:

    rule write_attributes:
        input:
            descriptions=result("descriptions.csv"),
            given=VALUES.attribute_files(),
        output:
            attributes=result("attributes.tsv"),
        log:
            f"{LOGS}/write_attributes.log",
        localrule: True
        conda:
            "../../envs/data.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=10,
        params:
            attributes=VALUES.attribute_settings,
            content=content_digest(VALUES.own_attribute_files()),
            code=code("write_attributes"),
        message:
            "Writing the attributes of the classes"
        script:
            "../scripts/write_attributes.py"
